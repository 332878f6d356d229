"""Read what has landed into the bronze table: exit 99 where nothing is new."""

import sys
from argparse import Namespace

from sluice.bronze.run import run_bronze
from sluice.config import load_pipeline
from sluice.errors import ExitCode
from sluice.job import job_parser, report, run_job
from sluice.preflight.run import preflight


def bronze(arguments: Namespace) -> ExitCode:
    """Run the bronze step of one pipeline."""
    options = {}
    if arguments.max_files:
        options["cloudFiles.maxFilesPerTrigger"] = arguments.max_files
    config = load_pipeline(arguments.pipeline)
    found = preflight(
        config, run_id=arguments.run_id, discovered_up_to=arguments.discovered_up_to
    )
    summary = run_bronze(
        config,
        run_id=arguments.run_id,
        found=found,
        trigger=arguments.trigger,
        options=options,
    )
    report(summary)
    worked = summary.counts["batches"] or summary.stopped
    return ExitCode.DONE if worked else ExitCode.NOTHING_NEW


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--trigger", default="available-now")
    parser.add_argument("--max-files", help="files in a micro-batch, for this run")
    parser.add_argument(
        "--discovered-up-to",
        type=int,
        help="seq of the last file that this run's preflight discovered",
    )
    sys.exit(run_job(parser, bronze))
