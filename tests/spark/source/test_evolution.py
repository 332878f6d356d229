"""``addNewColumns``: the schema is kept, the query ends, and goes on when started."""

from __future__ import annotations

import json

import pytest
from pyspark.errors import AnalysisException, StreamingQueryException
from pyspark.sql import Row
from pyspark.sql.streaming.query import StreamingQuery

from sluice import is_schema_change, run_until_stable
from sluice.errors import Condition
from sluice.schema.kept import list_versions
from support.plain_stream import Stream

pytestmark = pytest.mark.needs_java

TYPED = {"inferColumnTypes": "true"}


def start(stream: Stream, **options: object) -> StreamingQuery:
    """Start the query as a user does whose table may get columns."""
    frame = stream.read(None, **TYPED, **options)
    return (
        frame.writeStream.format("delta")
        .option("checkpointLocation", str(stream.root / "checkpoint"))
        .option("mergeSchema", "true")
        .trigger(availableNow=True)
        .start(str(stream.root / "table"))
    )


def fails(query: StreamingQuery) -> StreamingQueryException:
    """Return the exception that a query ends with."""
    with pytest.raises(StreamingQueryException) as caught:
        query.awaitTermination()
    return caught.value


def without_rescued(rows: list[Row]) -> list[dict[str, object]]:
    """Return rows by their ids, of which nothing was rescued."""
    found = sorted((row.asDict(recursive=True) for row in rows), key=lambda r: r["id"])
    assert [row.pop("_rescued_data") for row in found] == [None] * len(found)
    return found


def test_new_fields_of_a_batch_end_the_query_once(stream: Stream) -> None:
    """Public loops look for UNKNOWN_FIELD in the text of what the query raises."""
    stream.land("a.json", {"id": 1, "s": {"x": 1}})
    start(stream).awaitTermination()
    paths = [
        stream.land("b.json", {"id": 2, "new": 1}),
        stream.land("c.json", {"id": 3, "s": {"x": 1, "y": True}, "new": 1.5}),
        stream.land("d.json", {"id": 4, "list": [{"z": "text"}]}),
    ]

    query = start(stream)
    error = fails(query)

    assert "UNKNOWN_FIELD_EXCEPTION" in str(error).splitlines()[0]
    assert "UNKNOWN_FIELD_EXCEPTION" in str(query.exception())
    assert any(str(path) in str(error) for path in paths)
    assert is_schema_change(error)
    _, version = list_versions(str(stream.root / "schemas"))
    assert version.added == {
        "new": str(paths[0]),
        "s.y": str(paths[1]),
        "list": str(paths[2]),
    }
    start(stream).awaitTermination()
    nothing = {"new": None, "list": None}
    assert without_rescued(stream.rows()) == [
        {"id": 1, "s": {"x": 1, "y": None}, **nothing},
        {"id": 2, "s": None, "new": 1.0, "list": None},
        {"id": 3, "s": {"x": 1, "y": True}, "new": 1.5, "list": None},
        {"id": 4, "s": None, "new": None, "list": [{"z": "text"}]},
    ]


def test_query_is_started_until_its_schema_is_stable(stream: Stream) -> None:
    """Two micro-batches have new fields, each of which ends a query."""
    starts = 0

    def begin() -> StreamingQuery:
        nonlocal starts
        starts += 1
        return start(stream, maxFilesPerTrigger=1)

    stream.land("a.json", {"id": 1})
    stream.land("b.json", {"id": 2, "b": 1}, seconds=1)
    stream.land("c.json", {"id": 3, "c": 1}, {"id": "odd"}, seconds=2)
    (stream.root / "schemas" / "_schemas").mkdir(parents=True)
    first = {"type": "struct", "fields": [field("id", "long")]}
    kept = stream.root / "schemas" / "_schemas" / "0"
    kept.write_text(json.dumps({"version": 0, "schema": first}))

    run_until_stable(begin)

    assert starts == 3
    rows = {row.id: row for row in stream.rows()}
    assert (rows[2].b, rows[3].c, rows[1].b) == (1, 1, None)
    assert json.loads(rows[None]._rescued_data)["id"] == "odd"


def field(name: str, kind: str) -> dict[str, object]:
    """Return a field as Spark writes it."""
    return {"name": name, "type": kind, "nullable": True, "metadata": {}}


def test_other_failures_are_raised(stream: Stream) -> None:
    """A loop that starts a query again must not hide what is wrong with it."""
    stream.land("a.json", {"id": 1})
    path = stream.land("b.json.gz", "no gzip")

    with pytest.raises(StreamingQueryException) as caught:
        run_until_stable(lambda: start(stream))

    assert not is_schema_change(caught.value)
    assert str(caught.value).startswith(f"[BAD_FILE] file {str(path)!r}")
    assert not is_schema_change(ValueError("UNKNOWN_FIELD_EXCEPTION"))


@pytest.mark.long
@pytest.mark.parametrize(
    ("mode", "columns", "evolves"),
    [
        ("rescue", ["id", "_rescued_data"], False),
        ("none", ["id"], False),
        (None, ["id", "_rescued_data"], True),
    ],
)
def test_mode_decides_if_new_fields_are_columns(
    stream: Stream, mode: str | None, columns: list[str], evolves: bool
) -> None:
    """Where nothing is said new fields become columns, as with Auto Loader."""
    given = {} if mode is None else {"schemaEvolutionMode": mode}
    stream.land("a.json", {"id": 1})
    start(stream, **given).awaitTermination()
    stream.land("b.json", {"id": 2, "new": 1})

    query = start(stream, **given)

    assert stream.read(None, **TYPED, **given).columns == columns
    if evolves:
        assert is_schema_change(fails(query))
    else:
        query.awaitTermination()
        assert sorted(row.id for row in stream.rows()) == [1, 2]


def test_declared_schema_does_not_evolve(stream: Stream) -> None:
    """Auto Loader refuses that too; hints are for what a schema must have."""
    stream.land("a.json", {"id": 1})

    with pytest.raises(AnalysisException) as caught:
        stream.read("id int", schemaEvolutionMode="addNewColumns")

    message = str(caught.value)
    assert Condition.OPTION_INVALID.name in message
    assert "'cloudFiles.schemaEvolutionMode'" in message
