"""The micro-batches of ``format("cloudFiles")`` on a real Spark."""

from __future__ import annotations

from shutil import rmtree

import pytest
from pyspark.errors import StreamingQueryException

from sluice.errors import Condition
from sluice.ledger.ledger import Ledger
from sluice.model import SeqRange
from sluice.spark.failures import own_error
from support.plain_stream import Stream, ids, order

pytestmark = pytest.mark.needs_java


def test_files_per_trigger_cut_the_batches(stream: Stream) -> None:
    """Admission control: five files by two are three micro-batches, in one run."""
    for number in range(5):
        stream.land(f"{number}.json", order(number))

    rows = stream.run(maxFilesPerTrigger=2)

    assert ids(rows) == [f"o{number}" for number in range(5)]
    assert stream.ends() == [2, 4, 5]


@pytest.mark.long
def test_bytes_per_trigger_cut_the_batches(stream: Stream) -> None:
    """The limit is soft: the file that crosses it is still in."""
    sizes = [stream.land(f"{number}.json", order(number)) for number in range(5)]
    limit = sizes[0].stat().st_size + 1

    rows = stream.run(maxBytesPerTrigger=limit)

    assert len(rows) == 5
    assert stream.ends() == [2, 4, 5]


def test_next_run_reads_only_what_is_new(stream: Stream) -> None:
    """Also what is dated before all that was read, which other loaders lose.

    Nothing new is no batch: an empty one would be a commit for nothing, every hour.
    """
    stream.land("b.json", order(1))
    stream.run()
    stream.land("a.json", order(2), seconds=-(10**8))
    stream.land("c.json", order(3), seconds=10**8)

    stream.run()
    rows = stream.run()

    assert ids(rows) == ["o1", "o2", "o3"]
    assert stream.ends() == [1, 3]


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
    stream.run(maxFilesPerTrigger=1)
    for log in ("offsets", "commits"):
        for batch in (1, 2):
            for name in (f"{batch}", f".{batch}.crc"):
                (stream.root / "checkpoint" / log / name).unlink(missing_ok=True)
    stream.land("3.json", order(3))

    rows = stream.run(maxFilesPerTrigger=10)

    assert ids(rows) == ["o0", "o1", "o2", "o3"]
    assert stream.ends() == [1, 2, 3, 4]


def test_empty_first_batch_is_claimed(stream: Stream) -> None:
    """Spark runs one where nothing has landed; it never gets files."""
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
        pytest.param(
            ["checkpoint"], ["o1", "o1", "o2"], id="checkpoint", marks=pytest.mark.long
        ),
        pytest.param(
            ["schemas/_schemas"], ["o1", "o2"], id="schemas", marks=pytest.mark.long
        ),
        pytest.param(["checkpoint", "schemas"], ["o1", "o1", "o2"], id="both"),
    ],
)
def test_stream_by_hand_begins_again_as_auto_loader_does(
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
