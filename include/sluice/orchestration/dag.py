"""Build one Dag from one pipeline file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, CronDataIntervalTimetable, Param, TriggerRule, WeightRule
from croniter import CroniterBadDateError, croniter

from sluice.config import PipelineConfig, list_pipelines, load_pipeline
from sluice.errors import Condition, UsageError
from sluice.orchestration.operator import SluiceSubmitOperator
from sluice.orchestration.preflight import DISCOVERED_UP_TO, PreflightOperator, Step
from sluice.spark.setup.installation import source_folder

# croniter draws the number at each look.
_RANDOM = re.compile(r"(?<![a-z])r(?![a-z])", re.IGNORECASE)
# One slot: steps that write never overlap, be their runs scheduled, manual or backfill.
WRITER_POOL = "sluice_writers"
JOBS_FOLDER = source_folder().parent / "jobs"

# Far enough back for a backfill of any history; there is no catch-up.
_START = datetime(2000, 1, 1, tzinfo=UTC)
_TASK_TIMEOUT = timedelta(hours=2)
_PREFLIGHT_TIMEOUT = timedelta(minutes=15)
_RUN_TIMEOUT = timedelta(hours=12)


def load_dags(folder: Path | None = None) -> dict[str, DAG]:
    """Return a Dag by name for each pipeline file that is right; leave out the others.

    Airflow marks every Dag of a Python file as broken where the file raises, so wrong
    pipeline files are reported by :func:`require_pipelines`, in a file of its own.
    """
    dags, _ = _build(list_pipelines(folder))
    return dags


def require_pipelines(folder: Path | None = None) -> None:
    """Raise one error that names every wrong pipeline file and what is wrong."""
    _, errors = _build(list_pipelines(folder))
    if errors:
        text = "\n".join(error.message for error in errors)
        raise UsageError(Condition.CONFIG_INVALID, text, {"errors": len(errors)})


def pipeline_dag(path: Path, *, jobs: Path = JOBS_FOLDER) -> DAG:
    """Build the Dag of the pipeline file ``path``, named as the pipeline.

    Scheduled and manual runs take in what is new: preflight → bronze → silver → audit.
    A backfill run recomputes the silver windows of its data interval instead, and never
    touches a checkpoint.
    """
    config = load_pipeline(str(path))
    _require_no_template(path)
    dag = DAG(
        dag_id=config.name,
        schedule=_timetable(config, path),
        start_date=_START,
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=_RUN_TIMEOUT,
        params=_params(),
        tags={"sluice"},
        doc_md=_describe(config),
        default_args={
            "owner": "sluice",
            "retries": 2,
            "retry_delay": timedelta(seconds=15),
            "retry_exponential_backoff": 2,
            "max_retry_delay": timedelta(minutes=5),
            "execution_timeout": _TASK_TIMEOUT,
            "max_active_tis_per_dag": 1,
            # What is nearly done goes before what has only begun.
            "weight_rule": WeightRule.UPSTREAM,
        },
        auto_register=False,
    )
    _add_tasks(dag, config, path.resolve(), jobs)
    return dag


def _build(paths: Iterable[Path]) -> tuple[dict[str, DAG], list[UsageError]]:
    dags: dict[str, DAG] = {}
    errors: list[UsageError] = []
    for path in paths:
        try:
            dag = pipeline_dag(path)
            _require_new(dag.dag_id, dags, path)
        except UsageError as error:
            errors.append(error)
        else:
            dags[dag.dag_id] = dag
    return dags, errors


def _require_no_template(path: Path) -> None:
    """Refuse a path that Airflow would render: it is part of a task's command."""
    found = next((mark for mark in ("{{", "{%", "{#") if mark in str(path)), None)
    if found is not None:
        raise UsageError(
            Condition.CONFIG_INVALID,
            f"{path}: the path holds {found!r}, which Airflow takes for a template; "
            "rename the file or its folder",
        )


def _require_new(dag_id: str, dags: Mapping[str, DAG], path: Path) -> None:
    if dag_id in dags:
        raise UsageError(
            Condition.CONFIG_INVALID,
            f"{path}: the name {dag_id!r} belongs to another pipeline file already; "
            "choose another",
        )


def _timetable(config: PipelineConfig, path: Path) -> CronDataIntervalTimetable | None:
    if config.schedule is None:
        return None
    wrong = _schedule_error(config.schedule)
    if wrong is not None:
        raise UsageError(
            Condition.CONFIG_INVALID,
            f"{path}: key 'schedule': expected a cron expression such as '0 * * * *' "
            f"or null, got {config.schedule!r}{wrong}",
        )
    return CronDataIntervalTimetable(config.schedule, timezone="UTC")


def _schedule_error(schedule: str) -> str | None:
    """Return what is wrong with a schedule beside its form, None if nothing is."""
    if not croniter.is_valid(schedule):
        return ""
    if _RANDOM.search(schedule):
        return ", which fires at random times"
    try:
        croniter(schedule).get_next()
    except CroniterBadDateError:
        return ", which never fires"
    return None


def _params() -> dict[str, Param]:
    return {
        "max_files": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Files per micro-batch",
            description="Instead of the pipeline's cloudFiles.maxFilesPerTrigger.",
        ),
        "trigger": Param(
            "available-now",
            enum=["available-now", "once"],
            title="Trigger",
            description="'once' takes everything in one micro-batch.",
        ),
        "drain": Param(
            False,  # noqa: FBT003 - Airflow's default of a flag
            type="boolean",
            title="Bring out open windows",
            description="No more rows of theirs are to come; silver goes on after it.",
        ),
        "backfill_from": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Recompute from",
            description="With 'until': recompute the silver windows between instead.",
        ),
        "backfill_until": Param(
            None, type=["null", "string"], format="date-time", title="Recompute until"
        ),
    }


def _add_tasks(dag: DAG, config: PipelineConfig, path: Path, jobs: Path) -> None:
    def submit(
        step: Step, options: Mapping[str, str], trigger_rule: TriggerRule
    ) -> SluiceSubmitOperator:
        return SluiceSubmitOperator(
            dag=dag,
            task_id=step.value,
            application=str(jobs / f"{step}.py"),
            name=f"{config.name}.{step}",
            options={"--pipeline": str(path), "--run-id": "{{ run_id }}", **options},
            locations=config.locations,
            trigger_rule=trigger_rule,
            pool=WRITER_POOL,
        )

    preflight = PreflightOperator(
        dag=dag,
        task_id="preflight",
        pipeline=str(path),
        execution_timeout=_PREFLIGHT_TIMEOUT,
    )
    trigger = {"--trigger": "{{ params.trigger }}"}
    bronze_options = {
        **trigger,
        "--max-files": "{{ params.max_files or '' }}",
        "--discovered-up-to": DISCOVERED_UP_TO,
    }
    interval = {
        "--from": "{{ params.backfill_from or (data_interval_start | ts) }}",
        "--to": "{{ params.backfill_until or (data_interval_end | ts) }}",
    }
    done = TriggerRule.ALL_SUCCESS
    # Rows may wait in bronze for silver although no file waits for bronze.
    not_failed = TriggerRule.NONE_FAILED
    one_done = TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    bronze = submit(Step.BRONZE, bronze_options, done)
    drain = {"--drain": "{{ 'yes' if params.drain else 'no' }}"}
    silver = submit(Step.SILVER, trigger | drain, not_failed)
    backfill = submit(Step.BACKFILL, interval, done)
    audit = submit(Step.AUDIT, {}, one_done)
    preflight >> [bronze, silver, backfill] >> audit
    bronze >> silver


def _describe(config: PipelineConfig) -> str:
    silver = [f"- silver `{config.silver_location(each)}`" for each in config.silver]
    current = [
        f"- current `{config.current_location(each)}`" for each in config.current
    ]
    tables = "\n".join([*silver, *current])
    return (
        f"Files that land in `{config.landing_location}` go, each exactly once, to\n\n"
        f"- bronze `{config.bronze_location}`\n{tables}\n\n"
        "and an audit compares landing folder, ledger, checkpoint and tables. A run "
        "with nothing new skips its Spark steps. A backfill recomputes the silver "
        "windows of its data interval from bronze and leaves the checkpoints alone."
    )
