"""``format("cloudFiles")`` as a user calls it, on a real Spark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.errors import PySparkException, StreamingQueryException

from sluice.errors import Condition
from sluice.spark.failures import own_error
from support.plain_stream import DDL, Stream, ids, order

RESCUED = f"{DDL}, _rescued_data string"


SCRIPT = """
import sys
from pyspark.sql import SparkSession
landing, schemas, out = sys.argv[1:]
spark = SparkSession.builder.master("local[1]").getOrCreate()
frame = (
    spark.readStream.format("cloudFiles")
    .option("cloudFiles.format", "json")
    .option("cloudFiles.schemaLocation", schemas)
    .load(landing)
)
query = (
    frame.selectExpr("order_id", "_metadata.file_name AS name")
    .writeStream.format("json")
    .option("checkpointLocation", out + "-checkpoint")
    .trigger(availableNow=True).start(out)
)
query.awaitTermination()
print("_metadata" in frame.columns)
"""


@pytest.mark.long
def test_plain_script_finds_the_format(stream: Stream, tmp_path: Path) -> None:
    """The first promise: Auto Loader code runs on open Spark with no registration.

    Set-up gives its class path the jar that hides ``_metadata``.
    """
    stream.land("a.json", order(1))
    arguments = [str(stream.landing), str(tmp_path / "s"), str(tmp_path / "out")]
    script = tmp_path / "plain.py"
    script.write_text(SCRIPT)

    # Nothing of our session: not its settings, its jars nor its Python path.
    ours = ("SPARK", "PYSPARK", "PYTHONPATH")
    plain = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        env=plain | {"SPARK_LOCAL_IP": "127.0.0.1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["False"]
    (written,) = (tmp_path / "out").glob("part-*.json")
    assert json.loads(written.read_text()) == {"order_id": "o1", "name": "a.json"}


def test_explicit_schema_gives_exactly_its_columns(stream: Stream) -> None:
    """What the user did not name is not there, and no new field appears."""
    stream.land("a.json", order(1, channel="web"))

    (row,) = stream.run()

    assert row.asDict() == {"order_id": "o1", "amount": 1.5, "quantity": 1}


def test_inferred_columns_are_strings_and_kept(stream: Stream) -> None:
    """Auto Loader's default: values are text to the letter. The first schema stays."""
    rescue = {"schemaEvolutionMode": "rescue"}
    stream.land("a.json", '{"order_id": "o1", "amount": 1.10}')
    first = stream.run(schema=None, **rescue)
    stream.land("b.json", '{"order_id": "o2", "amount": 2.20, "new": 3.30}')

    second = stream.run(schema=None, **rescue)

    assert [(row.order_id, row.amount) for row in first] == [("o1", "1.10")]
    assert {row.order_id: row.amount for row in second} == {"o1": "1.10", "o2": "2.20"}
    (rescued,) = [row._rescued_data for row in second if row._rescued_data]
    assert rescued.startswith('{"new":3.30,')


def test_inferred_types_on_request(stream: Stream) -> None:
    """``inferColumnTypes`` gives the narrowest types, and the column for the rest."""
    stream.land("a.json", order(1, tags=["x"], at={"city": "Ulm"}))

    frame = stream.read(None, inferColumnTypes="true")

    assert dict(frame.dtypes) == {
        "amount": "double",
        "at": "struct<city:string>",
        "order_id": "string",
        "quantity": "bigint",
        "tags": "array<string>",
        "_rescued_data": "string",
    }
    (row,) = stream.run(None, inferColumnTypes="true")
    assert (row.quantity, row.tags, row["at"].city) == (1, ["x"], "Ulm")


ODD_NAMES = [
    *("g[1].json", "h{2}.json", "a b%20c.json", "*.json", "ü订.json"),
    *("a,b.json", "new\nline.json", "Case.json", "case.json"),
]


def test_metadata_and_odd_names(stream: Stream) -> None:
    """Names are never encoded, and brackets do not read a file twice."""
    paths = [
        stream.land(name, order(number), seconds=number)
        for number, name in enumerate(ODD_NAMES)
    ]

    rows = stream.run(
        f"{DDL}, _metadata struct<file_path: string, file_name: string, "
        "file_size: bigint, file_modification_time: timestamp>"
    )

    found = {row.order_id: row._metadata for row in rows}
    assert len(rows) == len(ODD_NAMES)
    for number, path in enumerate(paths):
        metadata = found[f"o{number}"]
        assert metadata.file_path == str(path)
        assert metadata.file_name == path.name
        assert metadata.file_size == path.stat().st_size
        assert metadata.file_modification_time.astimezone(
            UTC
        ) == datetime.fromtimestamp(path.stat().st_mtime, UTC)


def test_what_does_not_fit_is_rescued(stream: Stream) -> None:
    """Unknown fields, other types and broken lines stay, to the letter."""
    path = stream.land(
        "a.json",
        '{"order_id": "o1", "amount": 1.5, "channel": 1.10}',
        '{"order_id": 2.20, "amount": "3.30"}',
        "nope",
        json.dumps(order(4)),
    )

    rows = stream.run(RESCUED)

    rescued = [row._rescued_data and json.loads(row._rescued_data) for row in rows]
    place = {"_file_path": str(path)}
    assert rescued == [
        {"channel": 1.1} | place,
        {"amount": "3.30"} | place,
        {"_corrupt_record": "nope"} | place,
        None,
    ]
    assert '"channel":1.10' in rows[0]._rescued_data
    assert [row.order_id for row in rows] == ["o1", "2.20", None, "o4"]
    assert [row.amount for row in rows] == [1.5, None, None, 1.5]


def test_null_where_none_may_be_names_file_and_column(stream: Stream) -> None:
    """Spark itself fails with "Value at index is null", or reads a zero."""
    stream.land("a.json", json.dumps(order(1)))
    schema = "order_id string NOT NULL, quantity int NOT NULL"
    assert ids(stream.run(schema)) == ["o1"]
    path = stream.land("b.json", '{"order_id": "o2"}')

    query = stream.start(stream.read(schema))

    with pytest.raises(StreamingQueryException) as caught:
        query.awaitTermination()
    error = own_error(caught.value)
    assert error is not None
    assert error.condition is Condition.SCHEMA_UNSUPPORTED
    assert f"{str(path)!r} has records without ['quantity']" in error.message


def test_mode_none_rescues_only_where_asked(stream: Stream) -> None:
    """Auto Loader passes a new field over then."""
    stream.land("a.json", order(1))
    plain = stream.read(schema=None, schemaEvolutionMode="none")
    asked = {"schemaEvolutionMode": "none", "rescuedDataColumn": "rest"}

    assert plain.columns == ["amount", "order_id", "quantity"]
    assert stream.read(schema=None, **asked).columns[-1] == "rest"


def test_new_field_fails_where_asked(stream: Stream) -> None:
    """``failOnNewColumns`` stops the query and names file and field."""
    path = stream.land("a.json", order(1, channel="web"))

    query = stream.start(stream.read(schemaEvolutionMode="failOnNewColumns"))

    with pytest.raises(StreamingQueryException) as caught:
        query.awaitTermination()
    error = own_error(caught.value)
    assert error is not None
    assert error.condition is Condition.UNKNOWN_FIELD_EXCEPTION
    assert str(path) in error.message
    assert "['channel']" in error.message


def test_wrong_option_is_refused_when_the_stream_is_loaded(stream: Stream) -> None:
    """A limit that is misspelled would be no limit."""
    stream.land("a.json", order(1))

    with pytest.raises(PySparkException) as caught:
        stream.read(None, maxFilePerTrigger=1)

    assert "OPTION_UNKNOWN" in str(caught.value)
    assert "'cloudFiles.maxFilesPerTrigger'" in str(caught.value)


def test_large_file_is_read_by_many_tasks(stream: Stream) -> None:
    """Each line comes once, whichever tasks its file was split into."""
    path = stream.land("a.json", *(order(number) for number in range(2000)))

    found = stream.run(
        f"{DDL}, _metadata struct<file_block_start: bigint>",
        **{"sluice.maxPartitionBytes": path.stat().st_size // 5},
    )

    assert sorted(row.quantity for row in found) == list(range(2000))
    assert len({row._metadata.file_block_start for row in found}) >= 5
