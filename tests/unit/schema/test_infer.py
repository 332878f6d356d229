from __future__ import annotations

import gzip
import io
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql.types import StructType

from sluice.errors import Condition, UsageError
from sluice.formats.base import Format
from sluice.formats.csv import CsvFormat
from sluice.formats.json import JsonFormat
from sluice.formats.parquet import ParquetFormat
from sluice.options.hints import parse_hints
from sluice.options.options import CloudFilesOptions
from sluice.schema import infer as schemas
from sluice.schema.infer import schema_of
from sluice.schema.kept import latest_version, list_versions


def land(options: CloudFilesOptions, name: str, content: bytes) -> None:
    """Write a file into the landing folder."""
    Path(options.path, name).write_bytes(content)


def spelled(schema: StructType | None) -> str | None:
    """Return a schema as Spark prints it."""
    return schema and schema.simpleString()


def test_schema_is_inferred_once_and_kept(options: CloudFilesOptions) -> None:
    """Later files do not change the schema of a running stream."""
    land(options, "a", b'{"a": 1}')
    first = schema_of(options)
    land(options, "b", b'{"b": 1}')

    assert spelled(first) == "struct<a:bigint>"
    assert schema_of(options) == first
    (version,) = list_versions(options.schema_location)
    assert version.schema == first


def test_untyped_unless_asked(options: CloudFilesOptions) -> None:
    """Strings are Auto Loader's default for JSON."""
    land(options, "a", b'{"a": 1}')

    assert spelled(schema_of(replace(options, infer_column_types=False))) == (
        "struct<a:string>"
    )


def test_newest_version_counts(options: CloudFilesOptions) -> None:
    """Version 10 comes after 9, and other files in the folder do not matter."""
    assert latest_version(options.schema_location) is None
    folder = Path(options.schema_location, "_schemas")
    folder.mkdir(parents=True)
    for version, column in ((0, "a"), (9, "b"), (10, "c")):
        kept = StructType().add(column, "string")
        (folder / str(version)).write_text(f'{{"schema": {kept.json()}}}')
    (folder / "11.tmp").write_text("half")

    version = latest_version(options.schema_location)
    assert version is not None
    assert spelled(version.schema) == "struct<c:string>"


@pytest.mark.parametrize("content", [None, b"", b"nope\n[1]\nnull", b"{}"])
def test_nothing_to_infer_from_is_refused(
    options: CloudFilesOptions, content: bytes | None
) -> None:
    """A stream without columns would read nothing and say so nowhere."""
    if content is not None:
        land(options, "a", content)

    with pytest.raises(UsageError) as caught:
        schema_of(options)

    assert caught.value.condition is Condition.SCHEMA_NOT_INFERRED
    assert caught.value.context == {"path": options.path}
    assert latest_version(options.schema_location) is None


def test_odd_lines_do_not_stop_inference(options: CloudFilesOptions) -> None:
    """Reading rescues them; inference may pass over them."""
    lines = [b"nope", b'{"a": 1}', b'{"\xff": 1}', b'{"d": ' + b"[" * 5000, b"null"]
    land(options, "a", b"\xef\xbb\xbf" + b'{"b": true}\r\n' + b"\n".join(lines))

    assert spelled(schema_of(options)) == "struct<a:bigint,b:boolean>"


def test_compressed_files_are_read(options: CloudFilesOptions) -> None:
    """A landing folder of nothing but .gz has a schema, one that is cut off or not."""
    land(options, "a.json.gz", gzip.compress(b'{"a": 1}'))
    land(options, "b.json.gz", gzip.compress(b'{"b": 1}' * 9)[:-9])

    assert spelled(schema_of(options)) == "struct<a:bigint>"


def test_whole_documents_are_read(options: CloudFilesOptions) -> None:
    """``multiLine`` decides what a record is, also here."""
    land(options, "a", b'[\n{"a":\n1}\n]')

    assert (
        spelled(schema_of(replace(options, format=JsonFormat(multi_line=True))))
        == "struct<a:bigint>"
    )


def test_sample_is_bounded(
    options: CloudFilesOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first start over terabytes reads some of them, and of a huge file a part."""
    monkeypatch.setattr(schemas, "SAMPLE_BYTES", 20)
    land(options, "a", b'{"a": 1}\n' * 2 + b'{"late": 1}')
    land(options, "b", b'{"b": 1}')

    assert spelled(schema_of(options)) == "struct<a:bigint>"


def parquet(**columns: object) -> bytes:
    """Return a file of one row."""
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("given", "files", "expected"),
    [
        (
            JsonFormat(),
            [b'{"s": {"a": 1}, "e": {}}', b'{"s": {"A": 1}, "S": 1}'],
            "struct<S:bigint>",
        ),
        (JsonFormat(), [b'{"s": {"a": 1}}', b'{"s": {"A": 1}}'], "struct<s:A>"),
        (CsvFormat(header=True), [b"id,x\n1,2\n", b"ID\n1\n"], "struct<id:int,x:int>"),
        (
            ParquetFormat(),
            [parquet(id=[1], s=[{"a": 1}]), parquet(ID=[1], s=[{"A": 1}])],
            "struct<id:bigint,s:struct<a:bigint>>",
        ),
    ],
)
def test_names_differ_in_more_than_case(
    options: CloudFilesOptions, given: Format, files: list[bytes], expected: str
) -> None:
    """A table takes no two such names: the first is a column, the other rescued."""
    for number, content in enumerate(files):
        land(options, str(number), content)

    found = spelled(schema_of(replace(options, format=given)))

    assert found == expected.replace("<s:A>", "<s:struct<A:bigint>>")


def test_field_called_as_a_folder_in_another_case_is_none(
    options: CloudFilesOptions,
) -> None:
    """The folder's value is the column."""
    Path(options.path, "day=1").mkdir()
    land(options, "day=1/a", b'{"Day": 2, "id": 1}')

    assert spelled(schema_of(options)) == "struct<id:bigint,day:int>"


def test_names_that_only_some_tables_take_are_named(
    options: CloudFilesOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """They are columns, as with Auto Loader; a hint says that they are wanted."""
    hints = parse_hints("`a b` INT")
    land(options, "1", b'{"a b": 1, "c": 1}')
    land(options, "2", b'{"s": {"d=e": 1}}')

    found = spelled(schema_of(replace(options, schema_hints=hints)))

    assert found == "struct<a b:int,c:bigint,s:struct<d=e:bigint>>"
    (warning,) = caplog.messages
    assert "['s.d=e']" in warning
    assert f"{options.path}/2" in warning
    assert "delta.columnMapping.mode" in warning
