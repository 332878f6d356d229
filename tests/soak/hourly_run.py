"""Runs of a pipeline, one after the other as the schedule makes them, in one session.

``hourly_run.py PIPELINE RUN_ID``; exits as the jobs do. A run that asks to be tried
again is followed by the next, so a JVM is started less often than it is needed.
"""

from __future__ import annotations

import sys

from sluice.config import PipelineConfig, load_pipeline
from sluice.errors import ExitCode, SluiceError
from sluice.run import run_pipeline
from sluice.spark.session import spark_session

# Local mode gives a task one attempt unless the master says otherwise.
# Spark's logs are kept whole, since the count at the end reads all of them.
SETTINGS = {
    "spark.master": "local[2,20]",
    "spark.sql.streaming.minBatchesToRetain": "1000000",
}
FILES_IN_A_BATCH = {"cloudFiles.maxFilesPerTrigger": "3"}


HOURS = 4


def main(pipeline: str, run_id: str) -> int:
    """Run bronze and silver again and again over what has landed meanwhile."""
    config = load_pipeline(pipeline)
    spark_session("soak", **SETTINGS)
    worked, code = False, ExitCode.NOTHING_NEW
    for hour in range(HOURS):
        try:
            code = run_once(config, f"{run_id}-{hour}")
        except SluiceError as error:
            sys.stderr.write(f"ERROR {error}\n")
            code = error.exit_code
        worked = worked or code == ExitCode.DONE
        if code not in {ExitCode.DONE, ExitCode.TEMPORARY}:
            break
    return ExitCode.DONE if worked and code == ExitCode.NOTHING_NEW else code


def run_once(config: PipelineConfig, run_id: str) -> ExitCode:
    """Run bronze and silver over what has landed."""
    found = run_pipeline(
        config, run_id=run_id, steps=("bronze", "silver"), options=FILES_IN_A_BATCH
    )
    worked = any(step.counts["batches"] for step in found.steps)
    return ExitCode.DONE if worked else ExitCode.NOTHING_NEW


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
