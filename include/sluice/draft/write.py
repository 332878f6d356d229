"""Write a pipeline file for a folder, as far as its first files say what it holds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import inf
from pathlib import Path

import pyarrow as pa
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import ValidationError
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import ArrayType, DataType, StructField, StructType

from sluice import storage
from sluice.config import PipelineConfig, load_pipeline
from sluice.config.load import pipelines_folder
from sluice.discovery.listing import list_landed
from sluice.draft.candidates import key_candidates, time_candidates
from sluice.draft.dialect import HEAD_BYTES, Dialect, look_at, most_common_kind
from sluice.errors import Condition, UsageError
from sluice.formats.content import open_content
from sluice.formats.streams import BadFileError
from sluice.ledger.files import number_files, sort_by_arrival
from sluice.model import FileVersion
from sluice.options.configured import source_options
from sluice.paths import normalize
from sluice.reading.partition import FileSlice
from sluice.reading.read import read_slices
from sluice.schema.infer import bounded_sample, infer_version
from sluice.source.datasource import plan_reading

_SAMPLE_ROWS = 10_000
_PLAIN = Dialect("binaryFile")
_WITH_FIELDS = ("json", "csv", "parquet")


def write_draft(name: str, path: str) -> Path:
    """Write the pipeline file ``name`` for the files below ``path``; return its path.

    Raises:
        UsageError: there is such a file, the name is none, or no record has landed.
    """
    file = pipelines_folder() / f"{name}.yaml"
    landing = normalize(path)
    listed = sort_by_arrival(list_landed(source_options(_configure(name, landing))))
    if not listed:
        raise UsageError(
            Condition.SCHEMA_NOT_INFERRED,
            f"no file is below {landing!r}, so nothing says what the pipeline would "
            "read; land a file first",
            {"path": landing},
        )
    text = _draft(name, landing, listed)
    _write_new(file, text)
    load_pipeline(str(file))
    return file


def _write_new(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise UsageError(
            Condition.USAGE,
            f"{str(file)!r} is there already; remove it, or give another name",
            {"path": str(file)},
        ) from None


def _draft(name: str, landing: str, listed: Sequence[FileVersion]) -> str:
    dialect = _dialect([file.path for file in listed])
    config = _configure(name, landing, dialect)
    schema = infer_version(source_options(config)).schema
    rows = _read_rows(config, schema)
    environment = Environment(
        loader=PackageLoader("sluice.draft", "templates"),
        # This is no HTML: what others may have written passes ``yaml``.
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["yaml"] = _yaml
    return environment.get_template("pipeline.yaml.j2").render(
        name=name,
        source=config.bronze.source,
        schema=", ".join(map(_ddl, schema)),
        keys=key_candidates(rows),
        times=time_candidates(rows),
        rows=rows.num_rows,
    )


def _ddl(field: StructField) -> str:
    return f"{_quoted(field.name)} {_ddl_type(field.dataType)}"


def _ddl_type(kind: DataType) -> str:
    if isinstance(kind, StructType):
        fields = (f"{_quoted(each.name)}: {_ddl_type(each.dataType)}" for each in kind)
        return f"struct<{', '.join(fields)}>"
    if isinstance(kind, ArrayType):
        return f"array<{_ddl_type(kind.elementType)}>"
    return kind.simpleString()


def _quoted(name: str) -> str:
    escaped = name.replace("`", "``")
    return f"`{escaped}`"


def _yaml(value: object) -> str:
    """Return texts as YAML has them on one line, whatever they hold."""
    text = yaml.safe_dump(
        value, default_style='"', default_flow_style=True, allow_unicode=True, width=inf
    )
    return text.strip()


def _configure(name: str, landing: str, dialect: Dialect = _PLAIN) -> PipelineConfig:
    """Return the pipeline as its file will have it.

    Raises:
        UsageError: the name is none of a pipeline.
    """
    source = {"path": landing, "format": dialect.format, "options": dialect.options}
    lake = os.environ.get("SLUICE_LAKE") or "lake"
    content = {"name": name, "lake": lake, "bronze": {"source": source}}
    try:
        return PipelineConfig.model_validate(content)
    except ValidationError as error:
        problems = [f"{each['loc'][0]}: {each['msg']}" for each in error.errors()]
        raise UsageError(
            Condition.USAGE,
            f"pipeline {name!r}: {'; '.join(problems)}; a name has small letters, "
            "digits and '_', and begins with a letter",
            {"name": name},
        ) from None


def _dialect(paths: Sequence[str]) -> Dialect:
    kind = most_common_kind(paths)
    found = look_at(_head(kind.example), kind.format)
    options = dict(found.options)
    if kind.pattern:
        options["pathGlobFilter"] = kind.pattern
    if found.format in ("json", "csv"):
        options["cloudFiles.inferColumnTypes"] = "true"
    return Dialect(found.format, options)


def _head(path: str) -> bytes:
    """Return how a file begins: unpacked, or as it is where it is no text."""
    try:
        stream = open_content(path).stream
    except BadFileError:
        stream = storage.open_input(path)
    with stream:
        return stream.read(HEAD_BYTES)


def _read_rows(config: PipelineConfig, schema: StructType) -> pa.Table:
    """Return the first rows; none of formats whose columns are always the same."""
    options = source_options(config)
    plan = plan_reading(options, to_arrow_schema(schema, timezone="UTC"))
    batches: list[pa.RecordBatch] = []
    if options.format.name in _WITH_FIELDS:
        files = bounded_sample(sort_by_arrival(list_landed(options)))
        slices = (
            FileSlice(file, 0, file.size) for file in number_files(files, after=0)
        )
        for batch in read_slices(slices, plan):
            batches.append(batch)
            if sum(each.num_rows for each in batches) >= _SAMPLE_ROWS:
                break
    return pa.Table.from_batches(batches, schema=plan.output)
