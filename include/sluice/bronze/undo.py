"""Undo what an evolution added, in order: refuse, keep the version, move the values.

The version comes first: from then on no run adds the fields again, and what it reads of
them is rescued. Then one commit moves what the columns still have. A kill in between
loses nothing, and the same command goes on from there, for it looks for such values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from pyspark.sql.types import StructType

from sluice.bronze.held import HeldFields, HeldValues, count_held, move_values
from sluice.bronze.movable import why_immovable
from sluice.config import PipelineConfig
from sluice.control.hold import hold_lease
from sluice.current.rows import CurrentRows
from sluice.delta.log import open_table
from sluice.errors import Condition, RetryableError, UsageError
from sluice.history import archive_history, record_step
from sluice.history.undos import STEP
from sluice.model import StepSummary
from sluice.options.configured import source_options
from sluice.reading.names import without_fields
from sluice.rules.require import require_fit, require_nothing_begun
from sluice.schema.infer import with_hints
from sluice.schema.kept import SchemaVersion, keep_version, list_versions
from sluice.schema.undo import Undo, plan_undo
from sluice.silver.transform import check_columns
from sluice.spark.session import spark_session, storage_conf

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True, kw_only=True)
class UndoneField:
    """A field that was undone: the file that brought it, and rows with values of it."""

    field: str
    came_with: str | None
    rows: int


@dataclass(frozen=True, kw_only=True)
class UndoResult:
    """What an undo did, or would do where it is not ``done``.

    - ``version``: the newest of the schema behind it, kept by it where it ``is_new``;
    - ``fields``: those that leave the schema, or have values in the table;
    - ``returned``: those that come back to it;
    - ``rows``: how many have such values, of how many landed ``files``, in how many
      ``data_files`` of the table, which the commit ``table_version`` wrote again.
    """

    run_id: str
    to: int
    version: int
    is_new: bool
    fields: tuple[UndoneField, ...]
    returned: tuple[str, ...]
    rows: int
    files: int
    data_files: int
    table_version: int | None = None
    done: bool = False

    @property
    def is_nothing(self) -> bool:
        """Whether schema and table are so already."""
        return not self.is_new and not self.rows


def run_undo(
    config: PipelineConfig,
    *,
    run_id: str,
    to: int | None = None,
    confirmed: Callable[[UndoResult], bool] = lambda _: True,
) -> UndoResult:
    """Give an inferred schema the fields of version ``to`` again; nothing is lost.

    A field that goes is rescued from then on, and its column stays, empty: what it held
    is in the rescued data. By default the last evolution is undone. ``confirmed`` is
    asked when it is known what would change. Running again finishes what was cut off,
    and else changes nothing.

    Raises:
        UsageError: there is no such version, the pipeline file names a field, or the
            table would not take the rows.
        RetryableError: a query of the pipeline runs, or another process was faster.
        FatalError: checkpoint, ledger and table do not belong together.
    """
    started = datetime.now(UTC)
    require_nothing_begun(config)
    require_fit(config, config.queries[:1])
    versions = _versions(config)
    undo = plan_undo(versions, to, run_id=run_id)
    _refuse_named(config, undo)
    # Of its own, for what a commit says of itself is a setting of the session.
    conf = storage_conf(config.locations)
    spark = spark_session(f"{config.name}_undo", **conf).newSession()
    bronze = _read_bronze(spark, config)
    held = HeldFields.of(bronze.schema if bronze else StructType(), undo.version.undone)
    if bronze is not None:
        _refuse_used(config, bronze, held)
    values = count_held(bronze, held) if bronze else HeldValues(by_field={})
    if bronze is not None and values.rows:
        _refuse_immovable(config, bronze, held)
    result = _describe(run_id, versions, undo, values)
    if result.is_nothing or not confirmed(result):
        return result
    with ExitStack() as leases:
        for query in config.queries:
            leases.enter_context(
                hold_lease(query.checkpoint, query=query.name, run_id=run_id)
            )
        require_nothing_begun(config)
        _keep(config, undo, versions)
        commit = move_values(spark, config, held, run_id=run_id) if held.paths else None
        archive_history(config)
    version = commit.version if commit else None
    result = replace(result, table_version=version, done=True)
    counts = {"fields": len(result.fields), "rows": result.rows, "files": result.files}
    summary = StepSummary(STEP, run_id, counts)
    record_step(config, summary, started=started, finished=datetime.now(UTC))
    return result


def _versions(config: PipelineConfig) -> list[SchemaVersion]:
    versions = list_versions(config.schema_location)
    if not versions:
        raise UsageError(
            Condition.USAGE,
            f"undo: pipeline {config.name!r} has no schema version yet, so there is "
            "nothing to undo",
        )
    return versions


def _read_bronze(spark: SparkSession, config: PipelineConfig) -> DataFrame | None:
    table = open_table(config.bronze_location)
    if table is None:
        return None
    if table.metadata().configuration.get("delta.appendOnly", "").lower() == "true":
        raise UsageError(
            Condition.USAGE,
            f"undo: table {config.bronze_location!r} has delta.appendOnly, and moving "
            "values writes rows again; set the property to false meanwhile",
            {"table": config.bronze_location},
        )
    return spark.read.format("delta").load(config.bronze_location)


def _refuse_named(config: PipelineConfig, undo: Undo) -> None:
    """Refuse where the pipeline file asks for a field that goes."""
    hinted = with_hints(undo.version, source_options(config))
    hints = [
        ".".join(path) for path in undo.version.undone if path not in hinted.undone
    ]
    if hints:
        raise _named_error(config, hints, "option 'cloudFiles.schemaHints' names them")
    for key in ("partition_by", "unique_key"):
        # As Spark finds columns, in any case.
        gone = {path[0].lower() for path in undo.version.undone if len(path) == 1}
        names = getattr(config.bronze, key)
        named = sorted(name for name in names if name.lower() in gone)
        if named:
            raise _named_error(config, named, f"bronze.{key} names them")


def _refuse_used(config: PipelineConfig, bronze: DataFrame, held: HeldFields) -> None:
    """Refuse where silver is computed from an undone field, or it cannot be moved."""
    if not held.paths:
        return
    if held.variants:
        reason = "these columns hold VARIANT values, which are not moved"
        raise _named_error(config, held.variants, reason)
    fields = to_arrow_schema(bronze.schema, timezone="UTC")
    left = from_arrow_schema(pa.schema(without_fields(fields, held.paths)))
    without = bronze.sparkSession.createDataFrame([], left)
    for silver in (each for each in config.silver if each.source is None):
        check_columns(bronze, silver)
        try:
            check_columns(without, silver)
        except UsageError as error:
            names = list(map(".".join, held.paths))
            reason = f"silver {silver.name!r} is computed from them: {error.message}"
            raise _named_error(config, names, reason) from error
    for current in config.current:
        rows = CurrentRows(current)
        rows.require_columns(bronze)
        try:
            rows.require_columns(without)
        except UsageError as error:
            names = list(map(".".join, held.paths))
            raise _named_error(
                config, names, f"they are in use: {error.message}"
            ) from error


def _refuse_immovable(
    config: PipelineConfig, bronze: DataFrame, held: HeldFields
) -> None:
    """Refuse where the table would not take the rows without their values."""
    found = why_immovable(config, bronze, held)
    if found is not None:
        raise _named_error(config, *found)


def _named_error(
    config: PipelineConfig, names: Sequence[str], reason: str
) -> UsageError:
    return UsageError(
        Condition.USAGE,
        f"undo: fields {names} cannot be taken out of the schema of {config.name!r}, "
        f"for {reason}; correct pipeline file or table, or undo to another version",
        {"fields": names},
    )


def _keep(
    config: PipelineConfig, undo: Undo, versions: Sequence[SchemaVersion]
) -> None:
    """Keep the new version, behind those that were looked at and no other.

    Raises:
        RetryableError: there is another one.
    """
    location = config.schema_location
    newer = list_versions(location, after=versions[-1].number)
    if newer or (undo.is_new and not keep_version(location, undo.version)):
        raise RetryableError(
            Condition.COMMIT_CONFLICT,
            f"undo: the schema of {config.name!r} got another version meanwhile; "
            "nothing was changed, run again",
            {"path": location},
        )


def _describe(
    run_id: str,
    versions: Sequence[SchemaVersion],
    undo: Undo,
    values: HeldValues,
) -> UndoResult:
    came = {name: path for each in versions for name, path in each.added.items()}
    held = (path for path, rows in values.by_field.items() if rows)
    fields = tuple(
        UndoneField(
            field=".".join(path),
            came_with=came.get(".".join(path)),
            rows=values.by_field.get(path, 0),
        )
        for path in dict.fromkeys((*undo.removed, *held))
    )
    return UndoResult(
        run_id=run_id,
        to=undo.to,
        version=undo.version.number,
        is_new=undo.is_new,
        fields=fields,
        returned=tuple(map(".".join, undo.returned)),
        rows=values.rows,
        files=values.files,
        data_files=values.data_files,
    )
