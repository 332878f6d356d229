from __future__ import annotations

import bz2
import gzip
import json
import os
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pytest

from sluice.errors import Condition, FatalError, RetryableError
from sluice.formats.binary_file import BinaryFileFormat
from sluice.formats.json import JsonFormat
from sluice.ledger.ledger import Ledger
from sluice.ledger.quarantine import LeftOut
from sluice.model import FileVersion, LedgerFile
from sluice.reading import read as module
from sluice.reading.partition import FileSlice, plan_partitions
from sluice.reading.read import ReadPlan, read_slices

MOMENT = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
MTIME_NS = 1_767_268_800_123_456_789
METADATA = pa.struct(
    [
        ("file_path", pa.string()),
        ("file_name", pa.string()),
        ("file_size", pa.int64()),
        ("file_block_start", pa.int64()),
        ("file_block_length", pa.int64()),
        ("file_modification_time", pa.timestamp("us", tz="UTC")),
    ]
)
OUTPUT = pa.schema(
    [("i", pa.int64()), ("_rescued_data", pa.string()), ("_metadata", METADATA)]
)
LINES = b"".join(b'{"i": %d}\n' % number for number in range(100))


def land(folder: Path, name: str, content: bytes = LINES) -> LedgerFile:
    """Write a file and return it as the ledger has it."""
    path = folder / name
    path.write_bytes(content)
    os.utime(path, ns=(MTIME_NS, MTIME_NS))
    return LedgerFile(1, str(path), len(content), MOMENT)


def whole(file: LedgerFile) -> FileSlice:
    """Return the one slice that is all of a file."""
    return FileSlice(file, 0, file.size)


def read(*slices: FileSlice, **fields: object) -> list[dict]:
    """Return the rows that a task would hand to Spark."""
    plan = ReadPlan(**({"format": JsonFormat(), "output": OUTPUT} | fields))
    batches = list(read_slices(slices, plan))
    assert all(batch.schema.equals(plan.output) for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def refusal(*slices: FileSlice, **fields: object) -> FatalError:
    """Return the error with which a task stops."""
    with pytest.raises(FatalError) as caught:
        read(*slices, **fields)
    return caught.value


def test_rows_come_in_the_schema_asked_for(tmp_path: Path) -> None:
    """Spark takes batches only in exactly the schema it planned with."""
    file = land(tmp_path, "a b%20[1].json", b'{"i": 1, "new": 1.10}')

    (row,) = read(whole(file))

    assert row == {
        "i": 1,
        "_rescued_data": f'{{"new":1.10,"_file_path":"{file.path}"}}',
        "_metadata": {
            "file_path": file.path,
            "file_name": "a b%20[1].json",
            "file_size": 21,
            "file_block_start": 0,
            "file_block_length": 21,
            "file_modification_time": MOMENT,
        },
    }


def test_only_named_columns_are_filled(tmp_path: Path) -> None:
    """With an explicit schema the source gives those columns and no others."""
    file = land(tmp_path, "a", b'{"i": 1, "new": 2}\nnope')
    corrupt = pa.schema([("_corrupt_record", pa.string()), ("i", pa.int64())])
    path = pa.schema([("_metadata", pa.struct([("file_name", pa.string())]))])

    assert read(whole(file), output=pa.schema([("i", pa.int64())])) == [
        {"i": 1},
        {"i": None},
    ]
    assert read(whole(file), output=corrupt) == [
        {"i": 1, "_corrupt_record": None},
        {"i": None, "_corrupt_record": "nope"},
    ]
    assert read(whole(file), output=path) == [{"_metadata": {"file_name": "a"}}] * 2


def test_columns_of_ours_may_be_called_otherwise(tmp_path: Path) -> None:
    """``rescuedDataColumn`` and ``columnNameOfCorruptRecord`` are Auto Loader's."""
    file = land(tmp_path, "a", b'{"i": 1, "new": 2}\nnope')
    output = pa.schema([("i", pa.int64()), ("rest", pa.string()), ("bad", pa.string())])

    rows = read(whole(file), output=output, rescued_column="rest", corrupt_column="bad")

    assert json.loads(rows[0]["rest"])["new"] == 2
    assert rows[1]["bad"] == "nope"


def test_column_that_must_not_be_null_takes_the_fast_path(tmp_path: Path) -> None:
    """A schema with ``not null`` reads as one without."""
    plan = ReadPlan(
        format=JsonFormat(),
        output=pa.schema([pa.field("i", pa.int64(), nullable=False)]),
    )

    assert plan.columns.field("i").nullable
    assert read(whole(land(tmp_path, "a")), output=plan.output)[99] == {"i": 99}


def test_null_where_none_may_be_is_named(tmp_path: Path) -> None:
    """Spark would fail without a word of which file, or read a zero."""
    output = pa.schema([pa.field("i", pa.int64(), nullable=False), ("j", pa.int64())])
    file = land(tmp_path, "a", b'{"i": 1}\n{"j": 1}')

    error = refusal(whole(file), output=output)

    assert error.condition is Condition.SCHEMA_UNSUPPORTED
    assert error.context == {"path": file.path, "columns": ["i"]}


@pytest.mark.parametrize("pieces", [1, 2, 7, 100])
def test_slices_of_a_file_are_the_file(tmp_path: Path, pieces: int) -> None:
    """However a file is split, each row comes once."""
    file = land(tmp_path, "a", LINES[:-1])
    packed = plan_partitions(
        [file],
        max_bytes=-(-file.size // pieces),
        min_partitions=1,
        source_format=JsonFormat(),
    )

    found = [row["i"] for partition in packed for row in read(*partition)]

    assert sorted(found) == list(range(100))


@pytest.mark.parametrize(
    ("ending", "compress"),
    [
        ("gz", gzip.compress),
        ("bz2", bz2.compress),
        ("zst", lambda content: pa.compress(content, "zstd", asbytes=True)),
        (
            "gz",
            lambda content: gzip.compress(content[:400]) + gzip.compress(content[400:]),
        ),
        ("json", bytes),
    ],
    ids=["gz", "bz2", "zst", "gz of two members", "plain"],
)
def test_compressed_file_is_read_whole(tmp_path: Path, ending: str, compress) -> None:
    """Its size on the disk says nothing of its content."""
    rows = read(whole(land(tmp_path, f"a.{ending}", compress(LINES))))

    assert [row["i"] for row in rows] == list(range(100))


DAMAGED = {
    "a.json.gz": gzip.compress(LINES)[:-10],
    "b.json.gz": b"\x1f\x8b" + b"nonsense" * 9,
    "c.json.gz": LINES,
    "d.json.bz2": bz2.compress(LINES)[:-10],
    "e.json.zst": pa.compress(LINES, "zstd", asbytes=True)[:-4],
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    """Spark with ``ignoreCorruptFiles`` would keep its first rows in silence."""
    good = land(tmp_path, "good")
    bad = land(tmp_path, name, DAMAGED[name])

    error = refusal(whole(good), whole(bad))

    assert error.condition is Condition.BAD_FILE
    assert error.context["path"] == bad.path
    assert bad.path in str(error)


def test_file_that_is_gone_is_named(tmp_path: Path) -> None:
    """Between discovery and reading somebody removed it."""
    file = land(tmp_path, "a")
    Path(file.path).unlink()

    assert refusal(whole(file)).context["path"] == file.path


@pytest.mark.parametrize("content", [LINES + b"{}", LINES[:-1], b""])
def test_file_that_changed_is_named(tmp_path: Path, content: bytes) -> None:
    """Its new rows would be read, or not, by when it was discovered."""
    file = land(tmp_path, "a")
    Path(file.path).write_bytes(content)

    error = refusal(whole(file))

    assert error.condition is Condition.BAD_FILE
    assert str(len(LINES)) in str(error.context["reason"])


def ledger_with(tmp_path: Path, file: LedgerFile) -> Ledger:
    """Return a ledger to which ``file`` is known."""
    ledger = Ledger.open_or_create(str(tmp_path / "schemas"))
    ledger.append_new([FileVersion(file.path, file.size, file.modified)], run_id="run")
    return ledger


def test_bad_file_is_quarantined_once(tmp_path: Path) -> None:
    """The event is written before the task fails, and the first attempt's stands."""
    file = land(tmp_path, "a.gz", DAMAGED["a.json.gz"])
    ledger = ledger_with(tmp_path, file)

    for run in ("first", "second"):
        refusal(whole(file), ledger=ledger, quarantines=True, run_id=run)

    (event,) = ledger.left_out().values()
    assert (event.seq, event.path, event.run_id) == (1, file.path, "first")
    assert event.error == refusal(whole(file)).context["reason"]


def test_file_that_the_system_withholds_is_not_quarantined(tmp_path: Path) -> None:
    """An error of the disk or of rights passes; quarantine is for ever."""
    folder = tmp_path / "a.json"
    folder.mkdir()
    os.utime(folder, ns=(MTIME_NS, MTIME_NS))
    size = folder.stat().st_size
    file = LedgerFile(1, str(folder), size, MOMENT)
    ledger = ledger_with(tmp_path, file)

    with pytest.raises(RetryableError) as caught:
        read(whole(file), ledger=ledger, quarantines=True)

    assert caught.value.context["path"] == file.path
    assert ledger.left_out() == {}


def test_bad_file_is_not_quarantined_unless_asked(tmp_path: Path) -> None:
    """``bad_files: fail`` leaves the decision to a person."""
    file = land(tmp_path, "a.gz", b"x")
    ledger = ledger_with(tmp_path, file)

    refusal(whole(file), ledger=ledger)

    assert ledger.left_out() == {}


def rewritten(file: LedgerFile, content: bytes, *, nanoseconds: int = 1000) -> None:
    """Write a file again, dated later by no more than the ledger can tell."""
    Path(file.path).write_bytes(content)
    moment = MTIME_NS + nanoseconds
    os.utime(file.path, ns=(moment, moment))


def test_rewrite_of_equal_size_is_named(tmp_path: Path) -> None:
    """Its size does not tell; its time does, to the microsecond that the ledger has."""
    file = land(tmp_path, "a")
    rewritten(file, LINES[::-1])

    error = refusal(whole(file))

    assert error.condition is Condition.BAD_FILE
    assert error.context["reason"] == (
        "was modified at 2026-01-01T12:00:00.123456+00:00 when discovered, "
        "now at 2026-01-01T12:00:00.123457+00:00"
    )


def test_slice_of_a_rewritten_file_gives_no_row(tmp_path: Path) -> None:
    """What is not the file discovered is not even opened."""
    file = land(tmp_path, "a", LINES * 300)
    rewritten(file, LINES * 300)
    rows = read_slices([whole(file)], ReadPlan(format=JsonFormat(), output=OUTPUT))

    with pytest.raises(FatalError):
        next(rows)


def test_rewrite_while_a_slice_is_read_is_named(tmp_path: Path) -> None:
    """Rows that were handed over already are void, for the task fails."""
    file = land(tmp_path, "a", LINES * 300)
    rows = read_slices([whole(file)], ReadPlan(format=JsonFormat(), output=OUTPUT))
    next(rows)
    rewritten(file, LINES * 300)

    with pytest.raises(FatalError) as caught:
        list(rows)

    assert caught.value.context["path"] == file.path


@pytest.mark.parametrize("name", ["a.gz", "a"])
def test_rewrite_that_breaks_the_reading_is_told_as_such(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of two contents fails in many ways: the cause is that the file changed."""
    file = land(tmp_path, name, gzip.compress(LINES) if name == "a.gz" else LINES)
    opened = module.open_decompressed

    def late(path: str, codec: str | None) -> BinaryIO:
        rewritten(file, b'{"new": 1}' if name == "a" else LINES)
        return opened(path, codec)

    monkeypatch.setattr(module, "open_decompressed", late)

    error = refusal(whole(file), fail_on_new_fields=True)

    assert error.condition is Condition.BAD_FILE
    assert "when discovered, now" in str(error.context["reason"])


def test_replaced_version_is_recorded_as_such(tmp_path: Path) -> None:
    """Where versions count, the newer one is on its way: nothing is bad."""
    file = land(tmp_path, "a")
    ledger = ledger_with(tmp_path, file)
    rewritten(file, LINES)

    error = refusal(whole(file), ledger=ledger, keeps_versions=True, run_id="run")

    assert error.condition is Condition.FILE_REPLACED
    (record,) = ledger.left_out().values()
    assert (record.seq, record.kind) == (1, LeftOut.REPLACED)


def test_file_that_is_gone_is_not_replaced(tmp_path: Path) -> None:
    """No newer version comes for it, so the policy for bad files holds."""
    file = land(tmp_path, "a")
    ledger = ledger_with(tmp_path, file)
    Path(file.path).unlink()

    error = refusal(whole(file), ledger=ledger, keeps_versions=True)

    assert error.condition is Condition.BAD_FILE
    assert ledger.left_out() == {}


def test_attempt_after_a_record_is_refused(tmp_path: Path) -> None:
    """A file in quarantine whose rows are in the table would be neither in nor out."""
    file = land(tmp_path, "a")
    ledger = ledger_with(tmp_path, file)
    rewritten(file, LINES, nanoseconds=5_000_000)
    first = refusal(whole(file), ledger=ledger, quarantines=True)
    os.utime(file.path, ns=(MTIME_NS, MTIME_NS))

    second = refusal(whole(file), ledger=ledger, quarantines=True)

    assert second.context == first.context


def test_new_field_fails_where_asked(tmp_path: Path) -> None:
    """``failOnNewColumns`` names file and fields; a mismatch is no new field."""
    file = land(tmp_path, "a", b'{"i": 1}\n{"i": 1, "b": 2, "a": 3}')
    odd = land(tmp_path, "b", b'{"i": "x", "new": null}')

    error = refusal(whole(file), fail_on_new_fields=True)

    assert error.condition is Condition.NEW_FIELDS
    assert error.context == {"path": file.path, "fields": ["a", "b"]}
    assert read(whole(odd), fail_on_new_fields=True)[0]["i"] is None


def test_small_files_are_joined_into_large_batches(tmp_path: Path) -> None:
    """A batch for each small file would cost Spark more than the file."""
    files = [land(tmp_path, f"{number}") for number in range(250)]

    batches = list(
        read_slices(map(whole, files), ReadPlan(format=JsonFormat(), output=OUTPUT))
    )

    assert [batch.num_rows for batch in batches] == [10_000, 10_000, 5_000]


def test_empty_and_blank_files_have_no_rows(tmp_path: Path) -> None:
    """They are discovered, read and done."""
    files = [land(tmp_path, "a", b""), land(tmp_path, "b", b"\n \n")]

    assert read(*map(whole, files)) == []


def test_document_file_is_read_whole(tmp_path: Path) -> None:
    """``multiLine`` takes a file as one value."""
    file = land(tmp_path, "a", b'[{"i":\n1},\n{"i": 2}]')

    assert [
        row["i"] for row in read(whole(file), format=JsonFormat(multi_line=True))
    ] == [1, 2]


def test_plan_survives_pickling(tmp_path: Path) -> None:
    """Spark sends it to its workers."""
    plan = ReadPlan(
        format=JsonFormat(),
        output=OUTPUT,
        ledger=Ledger.open_or_create(str(tmp_path)),
        run_id="run",
    )

    assert pickle.loads(pickle.dumps(plan)) == plan


def test_rows_that_are_whole_files_are_not_piled_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand rows of a megabyte each would be joined in one batch."""
    monkeypatch.setattr(module, "_BATCH_BYTES", 3000)
    files = [land(tmp_path, name, bytes(1000)) for name in "abcdefg"]
    output = pa.schema([("content", pa.binary())])
    plan = ReadPlan(format=BinaryFileFormat(), output=output)

    batches = list(read_slices(map(whole, files), plan))

    assert [batch.num_rows for batch in batches] == [3, 3, 1]


def test_file_beyond_a_limit_is_a_bad_file(tmp_path: Path) -> None:
    """The error names file, size and option, and quarantine goes on without it."""
    file = land(tmp_path, "a.bin", bytes(5))
    small = BinaryFileFormat(max_content_bytes=4)

    error = refusal(
        whole(file), format=small, output=pa.schema([("content", pa.binary())])
    )

    assert error.condition is Condition.BAD_FILE
    assert error.context["path"] == file.path
    assert "sluice.maxContentBytes" in str(error)
