"""What a pipeline's next run would add to its inferred schema; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from sluice.config import PipelineConfig
from sluice.delta.widening import require_widening
from sluice.errors import UsageError
from sluice.model import LedgerFile
from sluice.options.configured import source_options
from sluice.options.options import CloudFilesOptions
from sluice.options.table import EvolutionMode
from sluice.reading.plan import NewFields, ReadPlan
from sluice.schema.evolve import look_at, next_version
from sluice.schema.infer import bounded_sample, infer_version, with_hints
from sluice.schema.kept import SchemaVersion, latest_version
from sluice.source.datasource import plan_reading

_FATES = {
    EvolutionMode.ADD_NEW_COLUMNS: "each becomes a column",
    EvolutionMode.WIDEN: "each becomes a column",
    EvolutionMode.RESCUE: "each is rescued",
    EvolutionMode.NONE: "each is rescued",
    EvolutionMode.FAIL_ON_NEW_COLUMNS: "the run would fail at them",
}


@dataclass(frozen=True)
class FieldAhead:
    """A field that the kept schema lacks, or has with a type that is too narrow.

    - ``field``: its name, ``a.b`` where it is nested;
    - ``type``: of a column, as SQL writes it;
    - ``came_with``: the first file that has it, None where no schema is kept.
    """

    field: str
    type: str | None
    came_with: str | None


@dataclass(frozen=True)
class FieldsAhead:
    """What becomes of new fields (``fate``), and in how many files they were sought.

    Those that are ``wider`` are columns that get the type which their values need. A
    ``problem`` is what a run would end with.
    """

    fields: tuple[FieldAhead, ...] = ()
    wider: tuple[FieldAhead, ...] = ()
    files: int = 0
    fate: str = ""
    problem: str | None = None


def fields_ahead(config: PipelineConfig, files: Sequence[LedgerFile]) -> FieldsAhead:
    """Return the fields of ``files`` that the schema of ``config`` lacks.

    As many files are looked at as inference looks at, in their order. A pipeline that
    declares its schema has none; where none is kept, all fields are new.
    """
    if config.bronze.source.ddl is not None or not files:
        return FieldsAhead()
    options = replace(source_options(config), pipeline=config.name)
    sample = bounded_sample(files)
    version = latest_version(config.schema_location)
    try:
        if version is None:
            schema = infer_version(options).schema
            first = [_describe(name, None, schema) for name in schema.names]
            fate = "the first run infers them"
            return FieldsAhead(tuple(first), files=len(sample), fate=fate)
        version = with_hints(version, options)
        if options.widens:
            require_widening(config.bronze_location)
    except UsageError as error:
        return FieldsAhead(files=len(sample), problem=error.message)
    mode = options.evolution_mode or EvolutionMode.ADD_NEW_COLUMNS
    options = replace(options, evolution_mode=mode)
    plan = _plan_reading(options, version)
    grown = next_version(version, look_at(options, plan, sample), options, plan)
    found, wider = (
        tuple(_describe(name, path, grown.schema) for name, path in files.items())
        for files in (grown.added, grown.widened)
    )
    return FieldsAhead(found, wider, len(sample), _FATES[mode])


def _plan_reading(options: CloudFilesOptions, version: SchemaVersion) -> ReadPlan:
    """Return how a run reads that is started now, as far as schemas depend on it."""
    plan = plan_reading(options, to_arrow_schema(version.schema, timezone="UTC"))
    return replace(plan, new_fields=NewFields.ADDED) if options.evolves else plan


def _describe(name: str, path: str | None, schema: StructType) -> FieldAhead:
    is_column = name in schema.names
    kind = schema[name].dataType.simpleString() if is_column else None
    return FieldAhead(name, kind, path)
