"""The options of a pipeline's source, as its file has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.options.options import (
    CloudFilesOptions,
    parse_options,
    require_declarable,
)

if TYPE_CHECKING:
    from sluice.config import PipelineConfig


def source_options(config: PipelineConfig) -> CloudFilesOptions:
    """Return the options of the pipeline's source as the source itself parses them.

    Raises:
        UsageError: an option is unknown, wrong, missing, or not built yet, or is for
            an inferred schema while the file declares one.
    """
    source = config.bronze.source
    options = parse_options(
        {
            **source.options,
            "path": config.landing_location,
            "cloudFiles.format": source.format,
            "cloudFiles.schemaLocation": config.schema_location,
            "sluice.badFiles": config.bronze.bad_files,
        }
    )
    if source.ddl is not None:
        require_declarable(options)
    return options
