"""``format("cloudFiles")`` as a user calls it, on a real Spark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree

import pytest
from pyspark.errors import PySparkException, StreamingQueryException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from sluice.errors import Condition
from sluice.ledger.ledger import Ledger
from sluice.model import SeqRange
from sluice.spark.failures import own_error

pytestmark = pytest.mark.needs_java

DDL = "order_id string, amount double, quantity int"
RESCUED = f"{DDL}, _rescued_data string"


@dataclass
class Stream:
    """A stream from a landing folder into a Delta table, run to its end each time."""

    spark: SparkSession
    root: Path
    options: dict[str, object] = field(default_factory=dict)

    @property
    def landing(self) -> Path:
        """Where files land."""
        return self.root / "landing"

    def land(
        self, name: str, *records: dict[str, object] | str, seconds: int = 0
    ) -> Path:
        """Write a file of one record a line, dated by ``seconds``."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            each if isinstance(each, str) else json.dumps(each) for each in records
        ]
        path.write_text("\n".join(lines), encoding="utf-8")
        moment = 1_767_225_600 + seconds
        os.utime(path, (moment, moment))
        return path

    def read(self, schema: str | None = DDL, **options: object) -> DataFrame:
        """Return the stream as a user spells it."""
        reader = (
            self.spark.readStream.format("cloudFiles")
            .option("cloudFiles.format", "json")
            .option("cloudFiles.schemaLocation", str(self.root / "schemas"))
            .options(**{full_name(name): value for name, value in options.items()})
        )
        if schema is not None:
            reader = reader.schema(schema)
        return reader.load(str(self.landing))

    def start(self, frame: DataFrame, **trigger: object) -> StreamingQuery:
        """Start the query, availableNow unless told otherwise."""
        return (
            frame.writeStream.format("delta")
            .option("checkpointLocation", str(self.root / "checkpoint"))
            .trigger(**(trigger or {"availableNow": True}))
            .start(str(self.root / "table"))
        )

    def run(self, schema: str | None = DDL, **options: object) -> list[Row]:
        """Take in what has landed and return all rows of the table."""
        query = self.start(self.read(schema, **options))
        query.awaitTermination()
        return self.rows()

    def rows(self) -> list[Row]:
        """Return all rows of the table."""
        return self.spark.read.format("delta").load(str(self.root / "table")).collect()

    def ends(self) -> list[int]:
        """Return the seq at which each micro-batch ended, from the offset log."""
        folder = self.root / "checkpoint" / "offsets"
        logs = sorted(folder.glob("[0-9]*"), key=lambda path: int(path.name))
        return [json.loads(log.read_text().splitlines()[2])["seq"] for log in logs]


def full_name(option: str) -> str:
    """Return an option's name with the prefix that most have."""
    return option if "." in option else f"cloudFiles.{option}"


@pytest.fixture
def stream(spark: SparkSession, tmp_path: Path) -> Stream:
    """Return a stream over an empty landing folder."""
    return Stream(spark, tmp_path)


def order(number: int, **fields: object) -> dict[str, object]:
    """Return one order."""
    return {"order_id": f"o{number}", "amount": 1.5, "quantity": number, **fields}


def ids(rows: list[Row]) -> list[str]:
    """Return the order ids of rows, sorted."""
    return sorted(row.order_id for row in rows)


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
    """Auto Loader's default: values are text to the letter, the first schema stays."""
    stream.land("a.json", '{"order_id": "o1", "amount": 1.10}')
    first = stream.run(schema=None)
    stream.land("b.json", '{"order_id": "o2", "amount": 2.20, "new": 3.30}')

    second = stream.run(schema=None)

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


def test_files_per_trigger_cut_the_batches(stream: Stream) -> None:
    """Admission control: five files by two are three micro-batches, in one run."""
    for number in range(5):
        stream.land(f"{number}.json", order(number))

    rows = stream.run(maxFilesPerTrigger=2)

    assert ids(rows) == [f"o{number}" for number in range(5)]
    assert stream.ends() == [2, 4, 5]


def test_bytes_per_trigger_cut_the_batches(stream: Stream) -> None:
    """The limit is soft: the file that crosses it is still in."""
    sizes = [stream.land(f"{number}.json", order(number)) for number in range(5)]
    limit = sizes[0].stat().st_size + 1

    rows = stream.run(maxBytesPerTrigger=limit)

    assert len(rows) == 5
    assert stream.ends() == [2, 4, 5]


def test_next_run_reads_only_what_is_new(stream: Stream) -> None:
    """Also what is dated before all that was read, which other loaders lose."""
    stream.land("b.json", order(1))
    stream.run()
    stream.land("a.json", order(2), seconds=-(10**8))
    stream.land("c.json", order(3), seconds=10**8)
    stream.run()
    stream.land("d.json", order(4))

    rows = stream.run()

    assert ids(rows) == ["o1", "o2", "o3", "o4"]
    assert stream.ends() == [1, 3, 4]


def test_nothing_new_is_no_batch(stream: Stream) -> None:
    """An empty micro-batch would be a commit for nothing, every hour."""
    stream.land("a.json", order(1))
    stream.run()

    stream.run()

    assert stream.ends() == [1]


def test_once_takes_all_in_one_batch(stream: Stream) -> None:
    """The legacy trigger knows no limits, as Auto Loader documents."""
    for number in range(3):
        stream.land(f"{number}.json", order(number))

    query = stream.start(stream.read(maxFilesPerTrigger=1), once=True)
    query.awaitTermination()

    assert len(stream.rows()) == 3
    assert stream.ends() == [3]


def test_standing_query_discovers_while_it_runs(stream: Stream) -> None:
    """With ``processingTime`` each micro-batch looks for what has landed since."""
    stream.land("a.json", order(1))
    query = stream.start(stream.read(), processingTime="100 milliseconds")
    try:
        query.processAllAvailable()
        stream.land("b.json", order(2))
        query.processAllAvailable()
    finally:
        query.stop()

    assert ids(stream.rows()) == ["o1", "o2"]
    assert stream.ends() == [1, 2]


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


def test_new_field_fails_where_asked(stream: Stream) -> None:
    """``failOnNewColumns`` stops the query and names file and field."""
    path = stream.land("a.json", order(1, channel="web"))

    query = stream.start(stream.read(schemaEvolutionMode="failOnNewColumns"))

    with pytest.raises(StreamingQueryException) as caught:
        query.awaitTermination()
    error = own_error(caught.value)
    assert error is not None
    assert error.condition is Condition.NEW_FIELDS
    assert str(path) in error.message
    assert "['channel']" in error.message


def test_wrong_option_is_refused_when_the_stream_is_loaded(stream: Stream) -> None:
    """A limit that is misspelled would be no limit."""
    stream.land("a.json", order(1))

    with pytest.raises(PySparkException) as caught:
        stream.read(None, maxFilePerTrigger=1)

    assert "OPTION_UNKNOWN" in str(caught.value)
    assert "'cloudFiles.maxFilesPerTrigger'" in str(caught.value)


def test_offset_of_another_ledger_is_refused(stream: Stream) -> None:
    """A lost and rebuilt ledger counts from 1 again: new files would be passed over."""
    stream.land("a.json", order(1))
    stream.run()
    expected = Ledger.open(str(stream.root / "schemas"))
    rmtree(stream.root / "schemas")
    stream.land("b.json", order(2))

    query = stream.start(stream.read())

    with pytest.raises(StreamingQueryException) as caught:
        query.awaitTermination()
    error = own_error(caught.value)
    assert error is not None
    assert expected is not None
    assert error.condition is Condition.LEDGER_MISMATCH
    assert expected.ledger_id in error.message
    assert ids(stream.rows()) == ["o1"]


def test_rewound_checkpoint_loses_nothing(stream: Stream) -> None:
    """Its batch ids plan their old ranges, which Delta skips, before what is new."""
    for number in range(3):
        stream.land(f"{number}.json", order(number))
        stream.run()
    for log in ("offsets", "commits"):
        for batch in (1, 2):
            for name in (f"{batch}", f".{batch}.crc"):
                (stream.root / "checkpoint" / log / name).unlink(missing_ok=True)
    stream.land("3.json", order(3))

    rows = stream.run(maxFilesPerTrigger=10)

    assert ids(rows) == ["o0", "o1", "o2", "o3"]
    assert stream.ends() == [1, 2, 3, 4]


def test_empty_first_batch_is_claimed(stream: Stream) -> None:
    """Spark runs one where nothing has landed; it stays without files for ever."""
    stream.landing.mkdir()
    stream.run()
    for log in ("offsets", "commits"):
        for path in (stream.root / "checkpoint" / log).iterdir():
            path.unlink()
    stream.land("a.json", order(1))

    assert ids(stream.run()) == ["o1"]

    ledger = Ledger.open(str(stream.root / "schemas"))
    assert ledger is not None
    ranges = [claim.range for claim in ledger.claims()]
    assert ranges == [SeqRange(-1, 0), SeqRange(0, 1)]
    assert stream.ends() == [0, 1]


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        (["checkpoint"], ["o1", "o1", "o2"]),
        (["schemas/_schemas"], ["o1", "o2"]),
        (["checkpoint", "schemas"], ["o1", "o1", "o2"]),
    ],
    ids=["checkpoint", "schemas", "both"],
)
def test_stream_by_hand_begins_anew_as_auto_loader_does(
    stream: Stream, lost: list[str], expected: list[str]
) -> None:
    """Without a checkpoint all is read again; schemas are inferred again.

    Only our jobs have a preflight that knows the table and refuses.
    """
    stream.land("a.json", order(1))
    stream.run(schema=None)
    for each in lost:
        rmtree(stream.root / each)
    stream.land("b.json", order(2))

    assert ids(stream.run(schema=None)) == expected


def test_large_file_is_read_by_many_tasks(stream: Stream) -> None:
    """Each line comes once, whichever tasks its file was split into."""
    path = stream.land("a.json", *(order(number) for number in range(2000)))

    found = stream.run(
        f"{DDL}, _metadata struct<file_block_start: bigint>",
        **{"sluice.maxPartitionBytes": path.stat().st_size // 5},
    )

    assert sorted(row.quantity for row in found) == list(range(2000))
    assert len({row._metadata.file_block_start for row in found}) >= 5
