"""One run of a pipeline as the schedule makes it, in a session that tries tasks again.

``hourly_run.py PIPELINE RUN_ID``; exits as the jobs do.
"""

from __future__ import annotations

import sys

from sluice.config import load_pipeline
from sluice.errors import ExitCode, SluiceError
from sluice.run import run_pipeline
from sluice.session import spark_session

# Local mode gives a task one attempt unless the master says otherwise.
# Spark's logs are kept whole, since the count at the end reads all of them.
SETTINGS = {
    "spark.master": "local[2,20]",
    "spark.sql.streaming.minBatchesToRetain": "1000000",
}
FILES_IN_A_BATCH = {"cloudFiles.maxFilesPerTrigger": "3"}


def main(pipeline: str, run_id: str) -> int:
    """Run bronze and silver over what has landed."""
    config = load_pipeline(pipeline)
    spark_session("soak", **SETTINGS)
    try:
        found = run_pipeline(
            config, run_id=run_id, steps=("bronze", "silver"), options=FILES_IN_A_BATCH
        )
    except SluiceError as error:
        sys.stderr.write(f"ERROR {error}\n")
        return error.exit_code
    worked = any(step.counts["batches"] for step in found.steps)
    return ExitCode.DONE if worked else ExitCode.NOTHING_NEW


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
