"""Register and clean for a stream that somebody starts by hand, within the source."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sluice import storage
from sluice.source.clean.consumers import (
    Reader,
    describe_consumers,
    read_consumer,
    register,
)
from sluice.source.clean.options import CleanMode
from sluice.source.clean.proof import SHARED_KEY
from sluice.source.clean.run import Cleaning, clean_source
from sluice.source.ledger import Ledger
from sluice.source.options import CloudFilesOptions


def register_stream(options: CloudFilesOptions, ledger: Ledger) -> None:
    """Let whoever cleans the folder know that this stream reads it.

    Raises:
        FatalError: the folder cannot be written to and is to be cleaned.
    """
    for consumer in describe_consumers(options, ledger):
        register(consumer, options.clean_source)


def clean_stream(options: CloudFilesOptions, ledger: Ledger, read_up_to: int) -> None:
    """Clean what was committed before the micro-batch that begins at ``read_up_to``.

    A pipeline's job does that itself, with the proofs that its tables give.

    Raises:
        FatalError: the ledger is damaged.
    """
    if options.clean_source is CleanMode.OFF:
        return
    mine = describe_consumers(options, ledger)[0]
    known = read_consumer(mine)
    if known is not None and known.pipeline is not None:
        return
    clean_source(
        Cleaning(
            me=Reader(mine, ledger),
            options=options,
            run_id=options.run_id,
            now=datetime.now(UTC),
            read_up_to=read_up_to,
        )
    )


def note_second_reader(ledger: Ledger, run_id: str) -> None:
    """Record that a query begins from the start where another has come further.

    Two checkpoints on one ledger cannot be told apart by their claims, so nothing that
    only these prove is cleaned from then on.
    """
    if len(ledger.claims()) > 1:
        content = json.dumps({"run_id": run_id}).encode()
        storage.put_if_absent(ledger.root, SHARED_KEY, content)
