"""Choose the steps that a run needs, in plain Python, before any JVM starts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from airflow.sdk import BaseBranchOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from sluice.config import load_pipeline
from sluice.errors import RetryableError, SluiceError
from sluice.times import parse_utc

_BACKFILL_RUN = "backfill"
_XCOM_KEY = "discovered_up_to"
DISCOVERED_UP_TO = f"{{{{ ti.xcom_pull(task_ids='preflight', key='{_XCOM_KEY}') }}}}"
"""The template of the last seq that a run's preflight discovered."""


class Step(StrEnum):
    """The tasks of a Dag that submit a job; each is named as its file in ``jobs/``."""

    BRONZE = "bronze"
    SILVER = "silver"
    BACKFILL = "backfill"
    AUDIT = "audit"


def is_backfill(run_type: str, params: Mapping[str, Any]) -> bool:
    """Return True if a run recomputes an interval instead of taking in what is new.

    Raises:
        ValueError: the interval is none: an end is missing, or no time, or too early.
    """
    start, end = params.get("backfill_from"), params.get("backfill_until")
    if not start and not end:
        return run_type == _BACKFILL_RUN
    if not start or not end or parse_utc(start) >= parse_utc(end):
        message = (
            "params backfill_from and backfill_until: expected both or none, and the "
            f"first before the second, got {start!r} and {end!r}"
        )
        raise ValueError(message)
    return True


def plan_steps(*, bronze_has_work: bool, silver_has_work: bool) -> list[Step]:
    """Return the steps after preflight; new files are work for silver, too."""
    if bronze_has_work:
        return [Step.BRONZE, Step.SILVER]
    return [Step.SILVER] if silver_has_work else []


class PreflightOperator(BaseBranchOperator):
    """Discover new files, refuse a checkpoint that would lose rows, choose the steps.

    With nothing new all later tasks are skipped.
    """

    def __init__(self, *, pipeline: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline

    def choose_branch(self, context: Context) -> list[str]:
        """Return the ids of the tasks to go on with."""
        dag_run = context["dag_run"]
        try:
            if is_backfill(dag_run.run_type, context["params"]):
                return [Step.BACKFILL.value]
            return self._look(dag_run.run_id, context)
        except RetryableError as error:
            raise AirflowException(str(error)) from error
        except (SluiceError, ValueError) as error:
            raise AirflowFailException(str(error)) from error

    def _look(self, run_id: str, context: Context) -> list[str]:
        # Imported here so that parsing the Dag file stays fast.
        from sluice.cleanup.pipeline import clean_landing  # noqa: PLC0415
        from sluice.preflight.run import preflight  # noqa: PLC0415
        from sluice.storage_errors import storage_errors_translated  # noqa: PLC0415

        config = load_pipeline(self.pipeline)
        with storage_errors_translated():
            found = preflight(config, run_id=run_id)
        context["ti"].xcom_push(key=_XCOM_KEY, value=found.discovered_up_to)
        self.log.info("%d new files, %d bytes", found.new_files, found.new_bytes)
        if found.discovery and found.discovery.miss_rate:
            self.log.info(found.discovery.miss_rate)
        steps = plan_steps(
            bronze_has_work=found.bronze_has_work,
            silver_has_work=found.silver_has_work
            or bool(context["params"].get("drain")),
        )
        if Step.BRONZE not in steps:  # which else cleans when it is done
            clean_landing(config, run_id=run_id)
        return [step.value for step in steps]
