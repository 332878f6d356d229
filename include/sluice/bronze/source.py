"""How a pipeline's landed files are read: the options and the schema of its source."""

from __future__ import annotations

from pyspark.errors import ParseException
from pyspark.sql.types import StructType

from sluice.bronze.transform import with_source_columns
from sluice.columns import RESCUED_DATA
from sluice.config import PipelineConfig
from sluice.errors import Condition, UsageError
from sluice.formats.registry import format_class
from sluice.options.options import with_inferred
from sluice.source.datasource import CloudFilesDataSource


def source_settings(config: PipelineConfig) -> dict[str, str]:
    """Return the options of ``cloudFiles`` as the pipeline file has them."""
    source = config.bronze.source
    settings = {
        **source.options,
        "cloudFiles.format": source.format,
        "cloudFiles.schemaLocation": config.schema_location,
        "rescuedDataColumn": RESCUED_DATA,
        "sluice.badFiles": config.bronze.bad_files,
        "sluice.pipeline": config.name,
    }
    return with_inferred(settings) if source.ddl is None else settings


def declared_schema(config: PipelineConfig) -> StructType | None:
    """Return the schema that the pipeline file declares, with the source's columns.

    Raises:
        UsageError: what it declares is no list of columns.
    """
    source = config.bronze.source
    if source.ddl is None:
        return None
    variants = format_class(source.format).holds_variants
    return with_source_columns(_parse(config, source.ddl), variants=variants)


def landed_schema(config: PipelineConfig) -> StructType:
    """Return the schema in which files are read today: declared, kept or inferred.

    Raises:
        UsageError: what is declared is no list of columns, or nothing can be inferred.
    """
    options = source_settings(config) | {"path": config.landing_location}
    return declared_schema(config) or CloudFilesDataSource(options).schema()


def _parse(config: PipelineConfig, ddl: str) -> StructType:
    try:
        schema = StructType.fromDDL(ddl)
    except ParseException as error:
        raise _wrong_schema_error(config, ddl, str(error)) from error
    if not isinstance(schema, StructType):
        raise _wrong_schema_error(config, ddl, f"it is a {schema.simpleString()}")
    return schema


def _wrong_schema_error(config: PipelineConfig, ddl: str, reason: str) -> UsageError:
    return UsageError(
        Condition.CONFIG_INVALID,
        f"pipeline {config.name!r}: bronze.source.schema {ddl!r} is no list of columns "
        f"such as 'order_id string, quantity int': {reason}",
        {"schema": ddl},
    )
