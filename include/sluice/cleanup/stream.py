"""Clean the landing folder of a plain stream, within the source."""

from __future__ import annotations

from datetime import UTC, datetime

from sluice.cleanup.proof import ClaimsProver
from sluice.cleanup.run import Cleaning, clean_source
from sluice.ledger.ledger import Ledger
from sluice.options.clean import CleanMode
from sluice.options.options import CloudFilesOptions


def clean_stream(options: CloudFilesOptions, ledger: Ledger, read_up_to: int) -> None:
    """Clean what was committed before the micro-batch that begins at ``read_up_to``.

    A pipeline's job cleans by itself, with the proofs of its table.

    Raises:
        FatalError: the ledger is damaged.
    """
    if options.clean_source is CleanMode.OFF or options.pipeline is not None:
        return
    clean_source(
        Cleaning(
            ledger=ledger,
            options=options,
            prover=ClaimsProver(ledger, read_up_to),
            by=options.schema_location,
            run_id=options.run_id,
            now=datetime.now(UTC),
        )
    )
