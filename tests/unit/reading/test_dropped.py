"""Malformed records give no row, and each is counted once and kept once."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice import storage
from sluice.errors import FatalError
from sluice.formats.base import Format
from sluice.formats.csv import CsvFormat
from sluice.formats.json import JsonFormat
from sluice.ledger.dropped import count_dropped
from sluice.ledger.ledger import Ledger
from sluice.reading.dropped import BadRecords, DropBook
from sluice.reading.partition import FileSlice
from support.reading import OUTPUT, land, read, whole

JSON, CSV = JsonFormat(), CsvFormat()
RESCUED, PLAIN = ["i", "_rescued_data"], ["i"]
LINES = [b'{"i": 1}', b"nope", b'{"i": "x"}', b'{"i": 2, "new": 3}', b'{"i": 4']


def output(*names: str, **types: pa.DataType) -> pa.Schema:
    """Return a schema of known columns, and of others by their types."""
    fields = [OUTPUT.field(name) for name in names]
    return pa.schema([*fields, *types.items()])


def book(folder: Path, *, drops: bool = True, moment: str = "t") -> DropBook:
    """Return the book of one more attempt, as the driver opens it."""
    kept = BadRecords(str(folder / f"bad/{moment}"), "p") if drops else None
    opened = DropBook.open(
        str(folder / "dropped"), drops=drops, run_id="r", bad_records=kept
    )
    assert opened is not None
    return opened


def kept(folder: Path, below: str = "bad_records") -> list[dict]:
    """Return the records, or files, that are kept, of all folders."""
    files = sorted((folder / "bad").glob(f"*/{below}/*"))
    return [json.loads(line) for file in files for line in file.open()]


def dropped(folder: Path) -> dict[int, int]:
    """Return how many records of each file are counted as dropped."""
    return dict(count_dropped(str(folder / "dropped")))


@pytest.mark.parametrize(
    ("source_format", "content", "columns", "values", "bad"),
    [
        (JSON, b"\n".join(LINES), RESCUED, [1, None, 2], ["nope", '{"i":4']),
        (JSON, b"\n".join(LINES), PLAIN, [1, 2], ["nope", '{"i":"x"}', '{"i":4']),
        (JSON, b'{"i": 1} junk', RESCUED, [], ['{"i":1}junk']),
        (JSON, b'[{"i": 1}, 2, {"i": 3}]', PLAIN, [1, 3], ["2"]),
        (JsonFormat(multi_line=True), b'[{"i":\n1}, 2]', PLAIN, [1], ["2"]),
        (CSV, b"1\nx\n2\n", PLAIN, [1, 2], ["x"]),
        (CSV, b"1\nx\n2,3\n", RESCUED, [1, None, 2], []),
        (CSV, b'1\n2,"a\'"\n', PLAIN, [1], ['2,"a\'"']),
        (CsvFormat(multi_line=True), b'1\n"x\ny"\n2\n', PLAIN, [1, 2], ['"x\ny"']),
        (CsvFormat(max_columns=2), b"1\n1,2,3\n", RESCUED, [1], ["1,2,3"]),
    ],
)
def test_dropped_records_are_counted_and_kept(
    tmp_path: Path,
    source_format: Format,
    content: bytes,
    *,
    columns: list[str],
    values: list[int | None],
    bad: list[str],
) -> None:
    """With a column of rescued data a value that does not fit drops no record."""
    file = land(tmp_path, "a", content)
    plan = {"format": source_format, "output": output(*columns), "book": book(tmp_path)}

    rows = read(whole(file), **plan)

    assert [row["i"] for row in rows] == values
    assert dropped(tmp_path) == ({1: len(bad)} if bad else {})
    folder = tmp_path / "bad/t/bad_records"
    lines = (folder / "part-p-00000001-0").read_text().splitlines() if bad else []
    found = list(map(json.loads, lines))
    shown = [each["record"].replace(" ", "") for each in found]
    assert (shown, {each["path"] for each in found} - {file.path}) == (bad, set())
    assert all(each["reason"] for each in found)


@pytest.mark.parametrize(
    ("kind", "value", "is_dropped"),
    [
        (pa.struct([("a", pa.int64())]), '{"a": 1, "new": 1e400}', False),
        (pa.struct([("a", pa.int64())]), '{"a": "x"}', True),
        (pa.struct([("a", pa.int64())]), "5", True),
        (pa.list_(pa.struct([("a", pa.int64())])), '[{"a": 1}, {"new": 2}]', False),
        (pa.list_(pa.struct([("a", pa.int64())])), '[{"a": 1}, 5]', True),
        (
            pa.map_(pa.string(), pa.struct([("a", pa.int64())])),
            '{"k": {"b": 2}}',
            False,
        ),
        (pa.map_(pa.string(), pa.int64()), '{"k": "x"}', True),
    ],
)
def test_field_that_is_new_inside_of_another_drops_nothing(
    tmp_path: Path, kind: pa.DataType, value: str, *, is_dropped: bool
) -> None:
    """Nor fails it under FAILFAST: Spark passes over it at any depth."""
    file = land(tmp_path, "a", f'{{"s": {value}}}'.encode())

    rows = read(whole(file), output=output(s=kind), book=book(tmp_path))

    assert len(rows) == (not is_dropped)
    with pytest.raises(FatalError) if is_dropped else nullcontext():
        read(whole(file), output=output(s=kind), fail_on_malformed=True)
    assert dropped(tmp_path) == ({1: 1} if is_dropped else {})


def test_small_files_that_are_read_together_are_counted_apart(tmp_path: Path) -> None:
    """The audit asks for the rows of each."""
    contents = [b'nope\n{"i": 0}', b'{"i": 1}', b"nope\nnope", b'{"i": 3}\nnope\n']
    files = [
        replace(land(tmp_path, f"{seq}", content), seq=seq)
        for seq, content in enumerate(contents)
    ]

    rows = read(*map(whole, files), book=book(tmp_path))

    assert [(row["i"], row["_metadata"]["file_name"]) for row in rows] == [
        *((0, "0"), (1, "1"), (3, "3"))
    ]
    assert dropped(tmp_path) == {0: 1, 2: 2, 3: 1}
    assert [each["path"] for each in kept(tmp_path)] == [
        files[seq].path for seq in (0, 2, 2, 3)
    ]


@pytest.mark.parametrize("writes", range(5))
def test_task_that_dies_at_a_write_counts_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """Before the count, between it and the records, and behind both."""
    file = land(tmp_path, "a", b"\n".join(LINES))
    cut = file.size // 2
    slices = [FileSlice(file, 0, cut), FileSlice(file, cut, file.size)]
    put, left = storage.put, [None] * writes

    def dying(root: str, key: str, content: bytes) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        put(root, key, content)

    monkeypatch.setattr(storage, "put", dying)
    if writes < 4:
        with pytest.raises(KeyboardInterrupt):
            read(*slices, book=book(tmp_path))
    else:
        read(*slices, book=book(tmp_path))
    monkeypatch.setattr(storage, "put", put)
    rows = read(*slices, book=book(tmp_path))

    assert (len(rows), dropped(tmp_path), len(kept(tmp_path))) == (3, {1: 2}, 2)


@pytest.mark.parametrize("moment", ["t", "later"])
@pytest.mark.parametrize("cuts", [[], [9], [20], [9, 20, 40]])
def test_attempt_that_cuts_otherwise_replaces_what_was_recorded(
    tmp_path: Path, cuts: list[int], moment: str
) -> None:
    """A restart may have other options: sizes of tasks, and the place of records."""
    file = land(tmp_path, "a", b"\n".join(LINES))
    read(*cut_at(file, 13, 30), book=book(tmp_path))

    rows = read(*cut_at(file, *cuts), book=book(tmp_path, moment=moment))

    assert (len(rows), dropped(tmp_path), len(kept(tmp_path))) == (3, {1: 2}, 2)


def test_attempt_that_drops_nothing_takes_back_what_was_recorded(
    tmp_path: Path,
) -> None:
    """The one before failed, and the query was started again with another ``mode``."""
    file = land(tmp_path, "a", b"\n".join(LINES))
    other = replace(land(tmp_path, "b", b"nope"), seq=2)
    read(whole(file), whole(other), book=book(tmp_path))

    rows = read(whole(file), book=book(tmp_path, drops=False).narrowed([whole(file)]))

    assert (len(rows), dropped(tmp_path)) == (5, {2: 1})
    assert [each["path"] for each in kept(tmp_path)] == [other.path]


def test_without_anything_to_record_there_is_no_book(tmp_path: Path) -> None:
    """Streams that drop nothing pay for one listing."""
    root = str(tmp_path / "dropped")
    assert DropBook.open(root, drops=False, run_id="r", bad_records=None) is None


def test_file_that_cannot_be_read_is_kept_by_name(tmp_path: Path) -> None:
    """Beside the records, as on Databricks; its rows are left out as a whole."""
    good, bad = land(tmp_path, "a", b'{"i": 1}'), land(tmp_path, "b.gz", b"\x1f\x8b no")
    bad = replace(bad, seq=2)
    plan = {"ledger": Ledger(str(tmp_path / "ledger"), ""), "ignores_corrupt": True}

    rows = read(whole(good), whole(bad), goes_on=True, book=book(tmp_path), **plan)

    assert [row["i"] for row in rows] == [1]
    (file,) = (tmp_path / "bad/t/bad_files").iterdir()
    content = json.loads(file.read_bytes())
    assert (file.name, content["path"]) == ("part-p-00000002", bad.path)
    assert content["reason"]


def test_whole_file_that_turns_out_bad_has_nothing_dropped(tmp_path: Path) -> None:
    """Its records are in quarantine with it."""
    content = pa.compress((b"n" * 100_000 + b"\n") * 200, "gzip", asbytes=True)[:-8]
    file = land(tmp_path, "b.gz", content)
    plan = {"ledger": Ledger(str(tmp_path / "ledger"), ""), "ignores_corrupt": True}

    assert read(whole(file), goes_on=True, book=book(tmp_path), **plan) == []
    assert dropped(tmp_path) == {}


def test_not_null_is_asked_of_the_records_that_stay(tmp_path: Path) -> None:
    """Spark drops a malformed record before it looks at its values."""
    file = land(tmp_path, "a", b'{"i": 1}\nnope')
    fields = pa.schema([pa.field("i", pa.int64(), nullable=False)])

    with pytest.raises(FatalError):
        read(whole(file), output=fields)
    assert read(whole(file), output=fields, book=book(tmp_path)) == [{"i": 1}]


@settings(deadline=None, max_examples=60)
@given(
    lines=st.lists(st.sampled_from(LINES), max_size=20),
    cuts=st.lists(st.integers(1, 150), max_size=4),
    earlier=st.lists(st.integers(1, 150), max_size=4),
    names=st.sampled_from([RESCUED, PLAIN]),
)
def test_every_record_is_a_row_or_counted(
    lines: list[bytes], cuts: list[int], earlier: list[int], names: list[str]
) -> None:
    """However a file is cut, in this attempt and in one that failed before."""
    with TemporaryDirectory() as folder:
        file = land(Path(folder), "a", b"\n".join(lines))
        plan = {"output": output(*names)}
        everything = read(whole(file), **plan)
        read(*cut_at(file, *earlier)[:2], book=book(Path(folder)), **plan)

        rows = read(*cut_at(file, *cuts), book=book(Path(folder)), **plan)

        missing = len(everything) - len(rows)
        assert len(everything) == len(lines)
        assert sum(dropped(Path(folder)).values()) == missing
        assert sum(map(len, kept(Path(folder)))) == missing * 3


def cut_at(file: object, *cuts: int) -> list[FileSlice]:
    """Return the slices of a file between positions."""
    inside = sorted({each for each in cuts if each < file.size})
    ends = [*inside, file.size]
    return [FileSlice(file, *each) for each in zip([0, *inside], ends, strict=True)]
