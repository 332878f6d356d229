from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from sluice.errors import UsageError
from sluice.options.hints import parse_hints
from sluice.schema.hints import apply_hints
from sluice.schema.kept import SchemaVersion
from sluice.schema.undo import plan_undo

FIRST = "id long"
SECOND = "id long, tip double"
NESTED = "id long, s struct<a: long>"
NESTED_SECOND = "id long, s struct<a: long, b: string>"
LISTS = "l array<struct<a: long>>, m map<string, struct<a: long>>"
LISTS_SECOND = (
    "l array<struct<a: long, b: array<int>>>, m map<string, struct<a: long, c: int>>"
)


def spark_schema(ddl: str) -> StructType:
    """Return the schema of a list of columns; Spark's own parser needs a JVM."""
    return from_arrow_schema(pa.schema(apply_hints([], parse_hints(ddl))))


def versions(*schemas: str, **newest: object) -> list[SchemaVersion]:
    """Return kept versions; ``newest`` are fields of the last one."""
    found = [
        SchemaVersion(number=number, schema=spark_schema(ddl))
        for number, ddl in enumerate(schemas)
    ]
    return [*found[:-1], replace(found[-1], **newest)]


@pytest.mark.parametrize(
    ("kept", "to", "schema", "undone"),
    [
        (versions(FIRST, SECOND), None, FIRST, ["tip"]),
        (versions(FIRST, SECOND), 0, FIRST, ["tip"]),
        (versions(FIRST, SECOND, SECOND + ", x int"), None, SECOND, ["x"]),
        (versions(FIRST, SECOND, SECOND + ", x int"), 0, FIRST, ["tip", "x"]),
        (versions(NESTED, NESTED_SECOND), None, NESTED, ["s.b"]),
        (versions(LISTS, LISTS_SECOND), None, LISTS, ["l.b", "m.c"]),
        # What stays has the type of today, for the table has no other.
        (versions("id int", SECOND), None, FIRST, ["tip"]),
        (versions(NESTED, "id long, s string, t int"), 0, "id long, s string", ["t"]),
        # An evolution behind an undo is undone alone.
        (
            versions(FIRST, SECOND, FIRST, "id long, x int", undone=(("tip",),)),
            None,
            FIRST,
            ["tip", "x"],
        ),
        # A field is named once, and by what of it the schema lacks.
        (
            versions(FIRST, NESTED, NESTED, undone=(("s", "b"),)),
            0,
            FIRST,
            ["s.b", "s"],
        ),
    ],
)
def test_schema_has_the_fields_of_the_version_again(
    kept: list[SchemaVersion], to: int | None, schema: str, undone: list[str]
) -> None:
    """What is undone is remembered, or the next file would bring it back."""
    undo = plan_undo(kept, to, run_id="undo-1")

    assert undo.is_new
    assert undo.version.number == len(kept)
    assert undo.version.schema == spark_schema(schema)
    assert [".".join(path) for path in undo.version.undone] == undone
    assert undo.version.undone_to == undo.to
    assert undo.version.run_id == "undo-1"


@pytest.mark.parametrize("to", [None, 0])
def test_undo_is_made_once(to: int | None) -> None:
    """Repeated, it finds that the newest version is so."""
    kept = versions(FIRST, SECOND)
    first = plan_undo(kept, to, run_id="undo-1")

    again = plan_undo([*kept, first.version], to, run_id="undo-2")

    assert not again.is_new
    assert again.version == first.version
    assert (again.to, again.removed, again.returned) == (0, (), ())


def test_later_version_brings_a_field_back_in_its_type() -> None:
    """The table has the column in that type; another would end every run."""
    kept = versions(FIRST, SECOND, FIRST, undone=(("tip",), ("x",)), undone_to=0)

    undo = plan_undo(kept, 1, run_id="undo-2")

    assert undo.version.schema == spark_schema(SECOND)
    assert undo.version.undone == (("x",),)
    assert (undo.removed, undo.returned) == ((), (("tip",),))


def test_field_that_came_back_in_another_case_is_not_undone() -> None:
    """The table has one column for both, which would be emptied."""
    undone = (("Tip",), ("s", "B"))
    kept = versions(FIRST, "id long, tip double, s struct<b: int>", undone=undone)

    assert plan_undo(kept, 1, run_id="undo-1").version.undone == ()


def test_first_version_alone_leaves_nothing_to_undo() -> None:
    """There was no evolution yet."""
    (only,) = kept = versions(FIRST)

    assert plan_undo(kept, run_id="undo-1").version == only


def test_version_that_is_not_there_is_refused() -> None:
    """The message has those that are."""
    with pytest.raises(UsageError, match=r"no schema version 5; .* of \[0, 1]"):
        plan_undo(versions(FIRST, SECOND), 5, run_id="undo-1")
