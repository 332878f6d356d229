from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from sluice.errors import Condition, RetryableError
from sluice.formats.base import FileRange
from sluice.formats.csv import CsvFormat
from sluice.formats.json import JsonFormat
from sluice.formats.parquet import ParquetFormat
from sluice.model import LedgerFile
from sluice.options.options import CloudFilesOptions
from sluice.reading.new_fields import NewFieldsError
from sluice.reading.plan import NewFields, ReadPlan
from sluice.reading.rows import require_right
from sluice.schema import evolve as module
from sluice.schema.evolve import evolve
from sluice.schema.infer import schema_of
from sluice.schema.kept import SchemaVersion, keep_version, list_versions
from support.parsing import parse_content


def land(options: CloudFilesOptions, seq: int, content: str) -> LedgerFile:
    """Write a file into the landing folder, as the ledger then has it."""
    path = Path(options.path, f"{seq}.x")
    path.write_text(content)
    return LedgerFile(seq, str(path), path.stat().st_size, datetime.now(UTC))


def plan_of(options: CloudFilesOptions) -> ReadPlan:
    """Return how a query reads that begins now."""
    output = to_arrow_schema(schema_of(options), timezone="UTC")
    return ReadPlan(format=options.format, output=output)


def found_in(plan: ReadPlan, file: LedgerFile, **new: pa.DataType) -> NewFieldsError:
    """Return the error of a record of ``file`` that has new fields."""
    return NewFieldsError(file.path, [*plan.columns, *pa.schema(list(new.items()))])


def spelled(version: SchemaVersion) -> str:
    """Return a version's schema as Spark prints it."""
    return version.schema.simpleString()


def test_whole_batch_is_in_the_next_version(options: CloudFilesOptions) -> None:
    """A query ends once for a micro-batch, whichever file a task meets first."""
    first = land(options, 1, '{"a": 1}')
    plan = plan_of(options)
    second = land(options, 2, '{"b": 1}\n{"b": 2.5, "a": "text"}')
    third = land(options, 3, '{"a": 2, "c": {"d": true}}\n{"b": 1}')

    error = evolve(
        options, plan, [first, second, third], found_in(plan, third, c=pa.string())
    )

    versions = list_versions(options.schema_location)
    assert [spelled(each) for each in versions] == [
        "struct<a:bigint>",
        "struct<a:bigint,b:double,c:struct<d:boolean>>",
    ]
    assert versions[1].added == {"b": second.path, "c": third.path}
    assert versions[1].run_id == "run-1"
    assert isinstance(error, RetryableError)
    assert error.condition is Condition.UNKNOWN_FIELD_EXCEPTION
    assert error.context == {"path": third.path, "fields": ["c"], "version": 1}


def test_field_that_a_file_contradicts_is_added(options: CloudFilesOptions) -> None:
    """Inference makes a string of it, which adds no field; the query must go on."""
    land(options, 1, '{"s": {"a": 1}}')
    plan = plan_of(options)
    odd = land(options, 2, '{"s": {"b": 1}}\n{"s": "text"}')
    kind = pa.struct([("a", pa.int64()), ("b", pa.int64())])

    evolve(options, plan, [odd], NewFieldsError(odd.path, [pa.field("s", kind)]))

    versions = list_versions(options.schema_location)
    assert spelled(versions[-1]) == "struct<s:struct<a:bigint,b:bigint>>"
    assert versions[-1].added == {"s.b": odd.path}


def test_what_another_task_has_kept_is_not_kept_twice(
    options: CloudFilesOptions,
) -> None:
    """Several tasks meet the new fields of one micro-batch."""
    file = land(options, 1, '{"a": 1}')
    plan = plan_of(options)
    batch = [land(options, 2, '{"b": 1}')]

    for _ in range(2):
        evolve(options, plan, batch, found_in(plan, file, b=pa.int64()))

    assert len(list_versions(options.schema_location)) == 2


def test_task_that_loses_the_race_keeps_its_fields_behind(
    options: CloudFilesOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run may keep a version between a task's look and its own."""
    land(options, 1, '{"a": 1}')
    plan = plan_of(options)
    file = land(options, 2, '{"b": 1}')
    kept = module.keep_version

    def beaten(location: str, version: SchemaVersion) -> bool:
        monkeypatch.setattr(module, "keep_version", kept)
        other = replace(version, added={"z": "other"}, schema=other_schema)
        return not keep_version(location, other)

    other_schema = plan_schema(options, '{"a": 1, "z": 1}')
    monkeypatch.setattr(module, "keep_version", beaten)

    evolve(options, plan, [file], found_in(plan, file, b=pa.int64()))

    versions = list_versions(options.schema_location)
    assert [list(each.added) for each in versions] == [[], ["z"], ["b"]]
    assert spelled(versions[-1]) == "struct<a:bigint,z:bigint,b:bigint>"


def plan_schema(options: CloudFilesOptions, record: str) -> object:
    """Return the schema that is inferred from one record."""
    folder = Path(options.path).parent / "other"
    folder.mkdir()
    (folder / "a").write_text(record)
    return schema_of(
        replace(options, path=str(folder), schema_location=str(folder / "schemas"))
    )


@pytest.mark.parametrize("is_kept", [False, True])
def test_task_killed_around_its_write_is_made_good_by_the_next(
    options: CloudFilesOptions, monkeypatch: pytest.MonkeyPatch, *, is_kept: bool
) -> None:
    """The micro-batch is repeated, and its fields are in one version."""
    land(options, 1, '{"a": 1}')
    plan = plan_of(options)
    file = land(options, 2, '{"b": 1}')

    def killed(location: str, version: SchemaVersion) -> bool:
        if is_kept:
            keep_version(location, version)
        raise KeyboardInterrupt

    found = found_in(plan, file, b=pa.int64())
    monkeypatch.setattr(module, "keep_version", killed)
    with pytest.raises(KeyboardInterrupt):
        evolve(options, plan, [file], found)
    monkeypatch.undo()
    evolve(options, plan, [file], found)

    versions = list_versions(options.schema_location)
    assert [list(each.added) for each in versions] == [[], ["b"]]


def test_field_that_was_undone_stays_out(options: CloudFilesOptions) -> None:
    """Also where a query that began before has met it, and for good."""
    land(options, 1, '{"a": 1, "s": {"x": 1}}')
    plan = plan_of(options)
    (first,) = list_versions(options.schema_location)
    undone = (("b",), ("s", "y"))
    keep_version(options.schema_location, replace(first, number=1, undone=undone))
    file = land(options, 2, '{"B": 1, "b": 1, "s": {"y": 1, "z": 1}}')

    evolve(options, plan, [file], found_in(plan, file, b=pa.int64()))
    known = list_versions(options.schema_location)
    evolve(options, plan, [file], found_in(plan, file, c=pa.int64()))

    *before, newest = list_versions(options.schema_location)
    assert before == known
    assert spelled(newest) == "struct<a:bigint,s:struct<x:bigint,z:bigint>,c:bigint>"
    assert newest.undone == undone


def test_lost_schema_store_gets_what_the_query_reads_in(
    options: CloudFilesOptions,
) -> None:
    """A new inference could give other types to columns that the table has."""
    land(options, 1, '{"a": 1}')
    plan = plan_of(options)
    Path(options.schema_location, "_schemas", "0").unlink()
    file = land(options, 2, '{"b": 1}')

    evolve(options, plan, [file], found_in(plan, file, b=pa.int64()))

    (version,) = list_versions(options.schema_location)
    assert (version.number, spelled(version)) == (0, "struct<a:bigint,b:bigint>")


@pytest.mark.parametrize(
    ("given", "before", "after"),
    [
        (JsonFormat(), '{"a": 1}', '{"a": 1, "b": 1}'),
        (CsvFormat(header=True), "a\n1\n", "b,a\n1,2\n"),
    ],
)
def test_types_are_strings_unless_asked(
    options: CloudFilesOptions, given: JsonFormat | CsvFormat, before: str, after: str
) -> None:
    """New columns are as the first ones were."""
    options = replace(options, format=given, infer_column_types=False)
    land(options, 1, before)
    plan = plan_of(options)
    file = land(options, 2, after)

    evolve(options, plan, [file], found_in(plan, file, b=pa.string()))

    version = list_versions(options.schema_location)[-1]
    assert spelled(version) == "struct<a:string,b:string>"


def test_parquet_has_its_own_types(options: CloudFilesOptions) -> None:
    """Its footers say them, where the rescued text has lost them."""
    options = replace(options, format=ParquetFormat(), infer_column_types=False)
    files = [land(options, seq, "") for seq in (1, 2)]
    pa.parquet.write_table(pa.table({"a": pa.array([1], pa.int32())}), files[0].path)
    plan = plan_of(options)
    days = pa.array([1], pa.date32())
    pa.parquet.write_table(pa.table({"a": ["x"], "d": days}), files[1].path)

    evolve(options, plan, files, found_in(plan, files[1], d=pa.string()))

    version = list_versions(options.schema_location)[-1]
    assert spelled(version) == "struct<a:int,d:date>"


@pytest.mark.parametrize(
    ("values", "others", "merged"),
    [
        (pa.array([1], pa.int32()), [1], "bigint"),
        ([{"d": 1}], [{"e": 1}], "struct<d:bigint,e:bigint>"),
        ([[{"d": 1}]], [[{"e": 1}]], "array<struct<d:bigint,e:bigint>>"),
    ],
)
def test_parquet_merges_what_files_bring(
    options: CloudFilesOptions, values: object, others: object, merged: str
) -> None:
    """Columns that are new are as wide as all files of the batch need."""
    options = replace(options, format=ParquetFormat())
    files = [land(options, seq, "") for seq in (1, 2, 3)]
    for file, columns in zip(
        files, ({"a": [1]}, {"b": values}, {"b": others}), strict=True
    ):
        pa.parquet.write_table(pa.table(columns), file.path)
    plan = plan_of(replace(options, path=files[0].path))

    evolve(options, plan, files, found_in(plan, files[2], b=pa.string()))

    version = list_versions(options.schema_location)[-1]
    assert spelled(version) == f"struct<a:bigint,b:{merged}>"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"a": 1}', "struct<a:bigint,b:bigint,s:struct<t:bigint>>"),
        (
            '{"a b": 1}',
            "struct<a b:bigint,b:bigint,o p:bigint,s:struct<q=r:bigint,t:bigint>>",
        ),
    ],
)
def test_odd_names_are_added_where_there_are_some(
    options: CloudFilesOptions, before: str, after: str
) -> None:
    """A table takes them with column mapping alone; others would end the query."""
    land(options, 1, before)
    adds = replace(plan_of(options), new_fields=NewFields.ADDED)
    file = land(options, 2, '{"o p": 1, "s": {"q=r": 1, "t": 1}, "b": 1}')
    (parsed,) = adds.format.parse(
        FileRange(
            file.path,
            file.size,
            file.modified,
            BytesIO(Path(file.path).read_bytes()),
            0,
            file.size,
        ),
        adds.columns,
    )

    with pytest.raises(NewFieldsError) as caught:
        require_right(parsed, file.path, adds)
    evolve(options, adds, [file], caught.value)

    assert spelled(list_versions(options.schema_location)[-1]) == after


def test_cases_of_a_name_in_two_files_are_one_field(
    options: CloudFilesOptions,
) -> None:
    """The table takes one of them; the other stays rescued."""
    land(options, 1, '{"a": 1}')
    plan = plan_of(options)
    second = land(options, 2, '{"s": {"b": 1}, "t": 1}')
    third = land(options, 3, '{"s": {"B": 1}, "T": 1}')
    kind = pa.struct([("b", pa.int64())])

    evolve(options, plan, [second, third], found_in(plan, second, s=kind))

    version = list_versions(options.schema_location)[-1]
    assert spelled(version) == "struct<a:bigint,s:struct<B:bigint>,t:bigint>"


def test_version_that_cannot_be_read_is_named(options: CloudFilesOptions) -> None:
    """A file cut off by a copy must not look like no schema, or columns would go."""
    Path(options.schema_location, "_schemas").mkdir(parents=True)
    Path(options.schema_location, "_schemas", "0").write_text('{"version": 0')

    with pytest.raises(Exception, match="_schemas/0") as caught:
        schema_of(options)

    assert caught.value.condition is Condition.SCHEMA_UNREADABLE  # type: ignore[attr-defined]


def widening(options: CloudFilesOptions, **columns: pa.DataType) -> ReadPlan:
    """Return how a query reads that widens these columns, which are kept."""
    plan = ReadPlan(
        format=options.format.exact(),
        output=pa.schema(columns),
        new_fields=NewFields.ADDED,
        widens=True,
    )
    schema = from_arrow_schema(plan.columns)
    keep_version(options.schema_location, SchemaVersion(schema=schema))
    return plan


def test_whole_batch_is_in_the_wider_version(options: CloudFilesOptions) -> None:
    """An integer that a double rounds wins over a fraction, whichever comes first."""
    plan = widening(options, a=pa.int32(), b=pa.int32(), c=pa.int16(), d=pa.float32())
    first = land(options, 1, '{"a": 1.5, "b": 2.5, "d": "text"}')
    second = land(options, 2, '{"a": 9007199254740993, "c": 1, "new": 1}')
    third = land(options, 3, '{"a": 2, "b": 1}\n{"b": 7, "c": 70000}\n{"d": 1e99}')
    unreadable = replace(third, path=f"{third.path}y")
    found = NewFieldsError(first.path, [pa.field("a", pa.float64())])

    error = evolve(options, plan, [first, second, third, unreadable], found)

    version = list_versions(options.schema_location)[-1]
    assert spelled(version) == (
        "struct<a:bigint,b:double,c:bigint,d:double,new:bigint>"
    )
    assert version.widened == {
        **dict.fromkeys("cd", third.path),
        "a": second.path,
        "b": first.path,
    }
    assert version.added == {"new": second.path}
    assert error.context["fields"] == ["a"]
    assert "'a'" in error.message
    assert "delta.enableTypeWidening" in error.message


def test_same_values_do_not_end_the_next_query(options: CloudFilesOptions) -> None:
    """What does not fit the wider type either stays rescued."""
    plan = widening(options, a=pa.int32())
    file = land(options, 1, '{"a": 1.5}\n{"a": 9007199254740993}')
    found = NewFieldsError(file.path, [pa.field("a", pa.float64())])

    evolve(options, plan, [file], found)

    version = list_versions(options.schema_location)[-1]
    again = replace(plan, output=to_arrow_schema(version.schema))
    content = Path(file.path).read_bytes()
    for block in parse_content(again.format, content, again.columns):
        require_right(block, file.path, again)


def test_column_keeps_its_type_without_the_mode(options: CloudFilesOptions) -> None:
    """Also where another task has kept one that is wider."""
    plan = replace(widening(options, a=pa.int32()), widens=False)
    file = land(options, 1, '{"a": 1.5, "b": 1}')

    evolve(options, plan, [file], found_in(plan, file, b=pa.int64()))

    version = list_versions(options.schema_location)[-1]
    assert (spelled(version), version.widened) == ("struct<a:int,b:bigint>", {})
