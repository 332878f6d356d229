"""Read files again and replace their rows in bronze; silver follows."""

import sys
from argparse import Namespace

from sluice.config import load_pipeline
from sluice.errors import ExitCode
from sluice.history.replays import STEP
from sluice.job import job_parser, report, run_job
from sluice.model import StepSummary
from sluice.replay.run import run_replay
from sluice.replay.select import Selection
from sluice.times import parse_utc


def replay(arguments: Namespace) -> ExitCode:
    """Replay the files that were asked for; the bronze checkpoint stays untouched."""
    selection = Selection(
        globs=tuple(arguments.files), since=arguments.since, until=arguments.until
    )
    config = load_pipeline(arguments.pipeline)
    result = run_replay(config, selection, run_id=arguments.run_id)
    report(StepSummary(STEP, result.run_id, result.counts, result.notes))
    return ExitCode.DONE


if __name__ == "__main__":
    parser = job_parser(__doc__)
    parser.add_argument("--files", action="append", default=[], metavar="GLOB")
    parser.add_argument("--since", type=parse_utc)
    parser.add_argument("--until", type=parse_utc)
    sys.exit(run_job(parser, replay))
