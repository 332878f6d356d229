"""Check checkpoint, ledger, landing folder and tables of a pipeline for agreement."""

import sys
from argparse import Namespace

from sluice.audit.run import require_passed, run_audit
from sluice.config import load_pipeline
from sluice.errors import ExitCode
from sluice.job import job_parser, run_job


def audit(arguments: Namespace) -> ExitCode:
    """Audit one pipeline; a verdict that its file does not allow is exit 65."""
    config = load_pipeline(arguments.pipeline)
    require_passed(run_audit(config, run_id=arguments.run_id))
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(run_job(job_parser(__doc__), audit))
