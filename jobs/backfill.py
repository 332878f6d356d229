"""Recompute the closed silver windows of an interval from bronze, and replace them."""

import sys
from argparse import Namespace

from sluice.config import load_pipeline
from sluice.errors import ExitCode
from sluice.job import job_parser, report, run_job
from sluice.silver.backfill import run_backfill
from sluice.times import parse_utc


def backfill(arguments: Namespace) -> ExitCode:
    """Backfill every silver table of one pipeline; live checkpoints stay untouched."""
    config = load_pipeline(arguments.pipeline)
    for silver in config.streamed:
        report(
            run_backfill(
                config,
                silver,
                start=arguments.start,
                end=arguments.end,
                run_id=arguments.run_id,
            )
        )
    return ExitCode.DONE


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--from", dest="start", type=parse_utc, required=True)
    parser.add_argument("--to", dest="end", type=parse_utc, required=True)
    sys.exit(run_job(parser, backfill))
