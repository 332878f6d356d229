"""``sluice watch``: enter files into the ledger as they arrive."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from threading import Event

from sluice.cli.output import JsonOption, PipelineArgument, print_line
from sluice.config import load_pipeline
from sluice.discovery.report import Discovery


def watch(pipeline: PipelineArgument, *, as_json: JsonOption = False) -> None:
    """Enter files into the ledger as they arrive, so that runs need not list."""
    # Its library is not wanted by any other command.
    from sluice.watch import watch_pipeline  # noqa: PLC0415

    def report(done: Discovery) -> None:
        if as_json:
            sys.stdout.write(json.dumps(asdict(done)) + "\n")
            sys.stdout.flush()
        else:
            print_line(f"{config.name}: {done.files} new files, {done.bytes} bytes")

    config = load_pipeline(pipeline)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_id = f"watch-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    if not as_json:
        print_line(f"{config.name}: watching {config.landing_location}")
    watch_pipeline(config, run_id=run_id, stop=stop, report=report)
