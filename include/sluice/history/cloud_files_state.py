"""``cloud_files_state``: every file of a stream with what became of it, as a DataFrame.

Auto Loader's function of that name returns path, size, times and a state. This one also
joins each file with its micro-batch, table version, rows, rescued rows and error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluice.errors import Condition, UsageError
from sluice.history.files import file_states
from sluice.paths import join, normalize
from sluice.pipeline import LandedFiles, Query

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from sluice.config import PipelineConfig
    from sluice.pipeline import Pipeline

_YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class PlainStream:
    """A stream without a pipeline file.

    It has no archive, so it has batch and version of what its checkpoint still knows.
    """

    checkpoint: str
    table: str
    schema_location: str
    name: str = "stream"

    @property
    def queries(self) -> tuple[Query]:
        """Its one query."""
        source = LandedFiles(self.schema_location)
        return (Query(self.name, self.checkpoint, self.table, source),)

    def ops_location(self, table: str) -> str:
        """Return where an operational table would be; there is none."""
        return join(self.schema_location, "_ops", table)


def cloud_files_state(
    source: str | PipelineConfig,
    spark: SparkSession | None = None,
    *,
    schema_location: str | None = None,
    table: str | None = None,
) -> DataFrame:
    """Return every file version that a stream has discovered, with what became of it.

    ``source`` is a pipeline, its name or YAML file, or a checkpoint. A checkpoint that
    belongs to no pipeline file needs the ``schema_location`` of its stream, and the
    Delta ``table`` it writes for versions and rows. Columns are those of ``sluice files
    --json``; nothing is written, and no data file of an archived micro-batch is read.

    Raises:
        UsageError: no pipeline has that checkpoint, and no schema location is given.
        FatalError: ledger, checkpoint or the table's log is damaged.
    """
    stream = find_stream(source, schema_location=schema_location, table=table)
    session = spark or _active_session()
    return session.createDataFrame(file_states(stream))


def find_stream(
    source: str | PipelineConfig,
    *,
    schema_location: str | None = None,
    table: str | None = None,
) -> Pipeline:
    """Return the pipeline that ``source`` names, or one made of what is given.

    Raises:
        UsageError: no pipeline has that checkpoint, and no schema location is given.
    """
    if not isinstance(source, str):
        return source
    if "/" not in source or source.endswith(_YAML):
        # Needs the packages that read YAML, which a user of the source alone lacks.
        from sluice.config import load_pipeline  # noqa: PLC0415

        return load_pipeline(source)
    checkpoint = normalize(source)
    if schema_location is None:
        return _pipeline_of(checkpoint)
    schemas = normalize(schema_location)
    # Where no table is named, none is found.
    written = normalize(table) if table else join(schemas, "_no_table")
    return PlainStream(checkpoint, written, schemas)


def _pipeline_of(checkpoint: str) -> PipelineConfig:
    from sluice.config import list_pipelines, load_pipeline  # noqa: PLC0415

    for path in list_pipelines():
        config = load_pipeline(str(path))
        if checkpoint == config.bronze_checkpoint_location:
            return config
    raise UsageError(
        Condition.CONFIG_NOT_FOUND,
        f"checkpoint {checkpoint!r} belongs to no pipeline file; name its stream's "
        "cloudFiles.schemaLocation too: cloud_files_state(checkpoint, "
        "schema_location=…, table=…)",
        {"checkpoint": checkpoint},
    )


def _active_session() -> SparkSession:
    from pyspark.sql import SparkSession  # noqa: PLC0415

    from sluice.spark.session import spark_session  # noqa: PLC0415

    active = SparkSession.getActiveSession()
    return active or spark_session("cloud_files_state")
