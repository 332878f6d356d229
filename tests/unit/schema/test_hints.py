from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql.types import StructType

from sluice.errors import Condition, UsageError
from sluice.formats.registry import format_class
from sluice.options.hints import parse_hints
from sluice.options.options import CloudFilesOptions, require_declarable
from sluice.options.table import EvolutionMode
from sluice.schema.hints import apply_hints
from sluice.schema.infer import schema_of
from sluice.schema.kept import keep_version, list_versions


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        (
            "id int",
            "id: int32, s: struct<a: int64>, l: list<element: struct<b: int64>>",
        ),
        (
            "ID int",
            "id: int32, s: struct<a: int64>, l: list<element: struct<b: int64>>",
        ),
        (
            "s.A string, s.x date",
            "id: int64, s: struct<a: string, x: date32[day]>, "
            "l: list<element: struct<b: int64>>",
        ),
        (
            "l.element.b int",
            "id: int64, s: struct<a: int64>, l: list<element: struct<b: int32>>",
        ),
        (
            "l array<int>, s map<string, int>",
            "id: int64, s: map<string, int32>, l: list<element: int32>",
        ),
    ],
)
def test_hints_win_over_what_is_inferred(hints: str, expected: str) -> None:
    """Names are found in any case, and keep the case of the data."""
    fields = pa.schema(
        [
            ("id", pa.int64()),
            ("s", pa.struct([("a", pa.int64())])),
            ("l", pa.list_(pa.field("element", pa.struct([("b", pa.int64())])))),
        ]
    )

    hinted = apply_hints(fields, parse_hints(hints))

    assert ", ".join(f"{each.name}: {each.type}" for each in hinted) == expected


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        ("a.b.c int", "a: struct<b: struct<c: int32>>"),
        ("a.element int", "a: list<element: int32>"),
        ("a.element.b int", "a: list<element: struct<b: int32>>"),
        ("m.key int, m.value double", "m: map<int32, double>"),
    ],
)
def test_field_that_no_file_has_yet_comes_last(hints: str, expected: str) -> None:
    """The sample may lack what comes later."""
    (hinted,) = apply_hints([], parse_hints(hints))

    assert f"{hinted.name}: {hinted.type}" == expected


def test_hint_into_a_string_says_the_way_out() -> None:
    """Without inferColumnTypes an object is a string of JSON."""
    with pytest.raises(UsageError, match=r"'a\.b'.*inferColumnTypes"):
        apply_hints(pa.schema({"a": pa.string()}), parse_hints("a.b int"))


@pytest.fixture
def options(tmp_path: Path) -> CloudFilesOptions:
    """Return the options of a stream over a folder with one record."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text('{"id": "1", "dt": "2026-01-01"}')
    return CloudFilesOptions(
        path=str(tmp_path / "in"), schema_location=str(tmp_path / "schemas")
    )


def hinted(options: CloudFilesOptions, hints: str) -> CloudFilesOptions:
    """Return options with hints."""
    return replace(options, schema_hints=parse_hints(hints))


def test_inferred_schema_is_kept_with_its_hints(options: CloudFilesOptions) -> None:
    """A later start without them reads the same columns."""
    given = hinted(options, "DT date, extra int")

    assert schema_of(given).simpleString() == "struct<dt:date,id:string,extra:int>"
    assert schema_of(options) == schema_of(given)
    assert len(list_versions(options.schema_location)) == 1


def test_hint_that_comes_later_adds_a_field(options: CloudFilesOptions) -> None:
    """It is no new field of a file then, and ends no query."""
    schema_of(options)

    schema = schema_of(hinted(options, "extra int, id string"))

    assert schema.simpleString() == "struct<dt:string,id:string,extra:int>"
    version = list_versions(options.schema_location)[-1]
    assert version.added == {"extra": "cloudFiles.schemaHints"}


@pytest.mark.parametrize(
    ("source_format", "hint"),
    [("csv", "v variant"), ("csv", "v struct<a: int>"), ("json", "m map<int, int>")],
)
def test_hint_that_the_format_cannot_give_is_not_kept(
    options: CloudFilesOptions, source_format: str, hint: str
) -> None:
    """A kept version is never rewritten: the stream could not start again."""
    given = replace(hinted(options, hint), format=format_class(source_format)())

    with pytest.raises(UsageError, match="cannot be read from"):
        schema_of(given)

    assert not list_versions(options.schema_location)


def test_hint_that_contradicts_the_kept_schema_is_refused(
    options: CloudFilesOptions,
) -> None:
    """The table has the column in its type already."""
    schema_of(options)

    with pytest.raises(UsageError, match="column 'id' int32") as caught:
        schema_of(hinted(options, "extra int, id int"))

    assert caught.value.condition is Condition.OPTION_INVALID
    assert len(list_versions(options.schema_location)) == 1


def test_hint_stands_for_what_evolved_from_it(options: CloudFilesOptions) -> None:
    """With new nested fields, and with wider types where columns get them."""
    given = hinted(options, "s STRUCT<a: INT>")
    schema_of(given)
    kept = list_versions(options.schema_location)[-1]
    wider = StructType().add("a", "long").add("b", "string")
    schema = StructType([*kept.schema.fields[:-1]]).add("s", wider)
    keep_version(options.schema_location, replace(kept, number=1, schema=schema))

    assert schema_of(replace(given, evolution_mode=EvolutionMode.WIDEN)) == schema
    with pytest.raises(UsageError, match="column 's'"):
        schema_of(given)
    grown = hinted(options, "s STRUCT<a: LONG>")
    assert schema_of(grown) == schema


def test_hints_beside_a_declared_schema_are_refused(
    options: CloudFilesOptions,
) -> None:
    """They would change nothing."""
    with pytest.raises(UsageError, match="schemaHints"):
        require_declarable(hinted(options, "id int"))


def test_hint_brings_back_what_was_undone(options: CloudFilesOptions) -> None:
    """In any case, for the table has one column; what else was undone stays out."""
    schema_of(options)
    (first,) = list_versions(options.schema_location)
    undone = (("extra",), ("other",))
    undo = replace(first, number=1, undone=undone, undone_to=0)
    keep_version(options.schema_location, undo)

    schema_of(hinted(options, "EXTRA int"))

    newest = list_versions(options.schema_location)[-1]
    assert newest.schema.simpleString() == "struct<dt:string,id:string,EXTRA:int>"
    assert (newest.undone, newest.undone_to) == ((("other",),), None)


def test_hint_of_what_was_undone_has_the_type_of_then(
    options: CloudFilesOptions,
) -> None:
    """The table has the column still; another type would end every run."""
    schema_of(options)
    (first,) = list_versions(options.schema_location)
    schema = StructType([*first.schema.fields]).add("extra", "integer")
    for number, each in enumerate((schema, first.schema), 1):
        undone = (("extra",),) if number == 2 else ()
        version = replace(first, number=number, schema=each, undone=undone)
        keep_version(options.schema_location, version)

    with pytest.raises(UsageError, match="column 'extra' string"):
        schema_of(hinted(options, "Extra string"))

    assert len(list_versions(options.schema_location)) == 3
    assert "extra:int" in schema_of(hinted(options, "extra int")).simpleString()
