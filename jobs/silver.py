"""Take what is new in bronze into the silver tables and current rows of a pipeline."""

import sys
from argparse import Namespace

from sluice.config import load_pipeline
from sluice.current.run import run_current_tables
from sluice.errors import ExitCode
from sluice.job import job_parser, report, run_job
from sluice.silver.run import run_silver_tables


def silver(arguments: Namespace) -> ExitCode:
    """Run every silver table of one pipeline, then those of current rows."""
    config = load_pipeline(arguments.pipeline)
    run_id, trigger = arguments.run_id, arguments.trigger
    drain = arguments.drain == "yes"
    tables = run_silver_tables(config, run_id=run_id, trigger=trigger, drain=drain)
    summaries = list(tables)
    stopped = any(each.stopped for each in summaries)
    current = [] if stopped else list(run_current_tables(config, run_id=run_id))
    report(*summaries, *current)
    worked = stopped or any(
        each.counts["batches"] or each.counts.get("live_refreshed")
        for each in summaries
    )
    worked |= any(any(each.counts.values()) for each in current)
    return ExitCode.DONE if worked or drain else ExitCode.NOTHING_NEW


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--trigger", default="available-now")
    parser.add_argument("--drain", choices=("yes", "no"), default="no")
    sys.exit(run_job(parser, silver))
