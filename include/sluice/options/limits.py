"""The options that bound what one file may ask for."""

from __future__ import annotations

from sluice.formats.limits import (
    DEFAULT_EXPANSION,
    DEFAULT_NAME_LENGTH,
)
from sluice.values import Option, parse_bytes, parse_count

LIMITS = (
    Option(
        name="sluice.maxExpansion",
        default=str(DEFAULT_EXPANSION),
        meaning="the most that a compressed file of json, csv or text may hold, as so "
        "many times its size, or 64 MB if that is more; a file with more is a bad file",
        parse=parse_count,
        field="max_expansion",
    ),
    Option(
        name="sluice.maxFileMemory",
        default="8g",
        meaning="the most memory that a worker may take to read a file, of any format, "
        "beyond what it has; a file that needs more is a bad file. `8g` is enough for "
        "any record that `sluice.maxContentBytes` allows by default: lower both where "
        "workers are small. Only on Linux; a lower `spark.executor.pyspark.memory` "
        "counts too",
        parse=parse_bytes,
        field="max_file_memory",
    ),
    Option(
        name="sluice.maxInferredColumns",
        default="5000",
        meaning="most fields of a schema that files give, nested ones counted; with "
        "more, inference and new fields end the stream, naming the file",
        parse=parse_count,
        field="max_columns",
    ),
    Option(
        name="sluice.maxNameLength",
        default=str(DEFAULT_NAME_LENGTH),
        meaning="the most characters of a field's name, at any level, with which it "
        "becomes a column of an inferred schema or a new one; longer ones are rescued",
        parse=parse_count,
        field="max_name_length",
    ),
)
"""Its rows of the table of options."""
