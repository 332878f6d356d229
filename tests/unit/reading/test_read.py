from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest

from sluice.errors import Condition, FatalError
from sluice.formats.binary_file import BinaryFileFormat
from sluice.formats.content import Content
from sluice.formats.json import JsonFormat
from sluice.reading import read as module
from sluice.reading.partition import plan_partitions
from sluice.reading.plan import NewFields, ReadPlan
from sluice.reading.read import read_slices
from support.reading import (
    DAMAGED,
    LINES,
    MOMENT,
    OUTPUT,
    land,
    read,
    refusal,
    rewritten,
    whole,
)


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
    """It was removed between discovery and reading."""
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


def test_rewrite_of_equal_size_is_named(tmp_path: Path) -> None:
    """Its size is the same; its time differs by the microsecond that the ledger has."""
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
def test_rewrite_that_breaks_the_reading_is_named(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of two contents fails in many ways: the cause is that the file changed."""
    file = land(tmp_path, name, gzip.compress(LINES) if name == "a.gz" else LINES)
    opened = module.open_content

    def late(path: str, **how: object) -> Content:
        rewritten(file, b'{"new": 1}' if name == "a" else LINES)
        return opened(path, **how)

    monkeypatch.setattr(module, "open_content", late)

    error = refusal(whole(file), new_fields=NewFields.REFUSED)

    assert error.condition is Condition.BAD_FILE
    assert "when discovered, now" in str(error.context["reason"])


def test_new_field_fails_where_asked(tmp_path: Path) -> None:
    """``failOnNewColumns`` names file and fields; a mismatch is no new field."""
    file = land(tmp_path, "a", b'{"i": 1}\n{"i": 1, "b": 2, "a": 3}')
    odd = land(tmp_path, "b", b'{"i": "x", "new": null}')

    error = refusal(whole(file), new_fields=NewFields.REFUSED)

    assert error.condition is Condition.UNKNOWN_FIELD_EXCEPTION
    assert error.context == {"path": file.path, "fields": ["a", "b"]}
    assert read(whole(odd), new_fields=NewFields.REFUSED)[0]["i"] is None


@pytest.mark.parametrize(
    ("content", "columns", "fails"),
    [
        (b'{"i": 1}\nnope', ["i", "_rescued_data"], True),
        (b'{"i": 1}\nnope', ["i"], True),
        (b'{"i": "x"}', ["i"], True),
        (b'{"i": "x"}', ["i", "_rescued_data"], False),
        (b'{"i": 1, "new": 2}', ["i"], False),
    ],
)
def test_malformed_record_fails_where_asked(
    tmp_path: Path, content: bytes, columns: list[str], *, fails: bool
) -> None:
    """``mode=FAILFAST``, as with Auto Loader: what is rescued is not malformed."""
    file = land(tmp_path, "a", content)
    output = pa.schema([OUTPUT.field(name) for name in columns])
    plan = {"output": output, "fail_on_malformed": True}

    if fails:
        error = refusal(whole(file), **plan)
        assert error.condition is Condition.MALFORMED_RECORD
        assert error.context == {"path": file.path}
    else:
        assert len(read(whole(file), **plan)) == 1


def test_small_files_are_joined_into_large_batches(tmp_path: Path) -> None:
    """A batch for each small file would cost Spark more than the file."""
    files = [land(tmp_path, f"{number}") for number in range(250)]

    batches = list(
        read_slices(map(whole, files), ReadPlan(format=JsonFormat(), output=OUTPUT))
    )

    assert sum(batch.num_rows for batch in batches) == 25_000
    assert len(batches) <= 3


def test_document_file_is_read_whole(tmp_path: Path) -> None:
    """``multiLine`` takes a file as one value."""
    file = land(tmp_path, "a", b'[{"i":\n1},\n{"i": 2}]')

    assert [
        row["i"] for row in read(whole(file), format=JsonFormat(multi_line=True))
    ] == [1, 2]


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
