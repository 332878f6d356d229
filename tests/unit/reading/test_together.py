"""Many small files are read at once, as if each had been read alone."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import Condition
from sluice.formats.base import Format, ParsedBlock
from sluice.formats.csv import CsvFormat
from sluice.formats.json import JsonFormat
from sluice.model import LedgerFile
from sluice.reading import read as module
from sluice.reading.plan import NewFields
from sluice.reading.runs import Run, cut_runs
from support.reading import LINES, OUTPUT, land, read, refusal, rewritten, whole

CSV_OUTPUT = pa.schema(
    [("i", pa.int64()), ("s", pa.string()), *(OUTPUT.field(n) for n in (1, 2))]
)
JSON_PIECES = st.sampled_from(
    [
        *(
            b'{"i": 1}',
            b'{"i": "x", "new": 1.10}',
            b"nope",
            b"[1]",
            b'{"i": 2} {"i": 3}',
        ),
        *(b"\n", b"\r\n", b" ", b"\n\n", b"\xff"),
    ]
)
CSV_PIECES = st.sampled_from(
    [
        *(b"i,s\n", b"s,i\n", b"1,a", b'2,"a, b"', b"x,1,2", b"3", b'"4', b",", b"#c"),
        *(b"\n", b"\r\n", b"\r", b" ", b"\n\n", b"\xff"),
    ]
)


def contents(pieces: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    """Generate what a few files hold, some with a byte-order mark."""
    marks = st.sampled_from([b"", b"", b"\xef\xbb\xbf"])
    text = st.lists(pieces, max_size=8).map(b"".join)
    file = st.tuples(marks, text).map(b"".join)
    return st.lists(file, min_size=2, max_size=6)


def compare(files: list[bytes], source_format: Format, output: pa.Schema) -> None:
    """Read files together, and one by one: the rows are the same."""
    plan = {"format": source_format, "output": output}
    with TemporaryDirectory() as folder:
        landed = [
            replace(land(Path(folder), f"{seq}", content), seq=seq)
            for seq, content in enumerate(files)
        ]
        slices = [whole(file) for file in landed]
        alone = [row for each in slices for row in read(each, **plan)]
        together = read(*slices, **plan)
    assert str(together) == str(alone)


@given(contents(JSON_PIECES))
@settings(max_examples=150, deadline=None)
def test_small_json_files_are_read_as_alone(files: list[bytes]) -> None:
    """Whatever one of them holds, it is in its own rows."""
    compare(files, JsonFormat(), OUTPUT)


@given(contents(CSV_PIECES), st.booleans(), st.sampled_from(["", "#"]))
@settings(max_examples=150, deadline=None)
def test_small_csv_files_are_read_as_alone(
    files: list[bytes], header: bool, comment: str
) -> None:
    """Whether or not their headers are the same."""
    compare(files, CsvFormat(header=header, comment=comment), CSV_OUTPUT)


@pytest.mark.parametrize(
    ("files", "counts"),
    [
        ([b"1,a\n2,b", b"", b"3,c\n"], [2, 0, 1]),
        ([b"1,a\n\n#c\n2,b\n", b"3,c\n"], [2, 1]),
        ([b"1,a\r2,b\r", b"3,c\n"], [2, 1]),
        ([b'1,"a', b'b"c,2\n'], [1, 1]),
    ],
)
def test_each_file_has_its_own_rows(files: list[bytes], counts: list[int]) -> None:
    """Also where lines are left out, or end otherwise."""
    columns = pa.schema([("i", pa.int64()), ("s", pa.string())])
    source_format = CsvFormat(comment="#")

    blocks, found = source_format.parse_together(files, columns, rescues=True)

    assert found == counts
    assert sum(block.num_rows for block in blocks) == sum(counts)


def landed(folder: Path) -> list[LedgerFile]:
    """Write three small files of a hundred rows; return them as the ledger has them."""
    content = gzip.compress(LINES)
    return [replace(land(folder, f"{seq}.gz", content), seq=seq) for seq in range(1, 4)]


def test_files_that_hold_much_more_are_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them may be small, and what they hold too much for a worker."""
    files = landed(tmp_path)
    monkeypatch.setattr(module, "_CONTENT_BYTES", len(LINES) * 2)
    monkeypatch.delattr(JsonFormat, "parse_together")

    assert len(read(*map(whole, files))) == 300


def test_one_bad_file_among_them_is_named(tmp_path: Path) -> None:
    """The others are not blamed."""
    files = landed(tmp_path)
    bad = Path(files[1].path)
    bad.write_bytes(bad.read_bytes()[:-9] + bytes(9))
    rewritten(files[1], bad.read_bytes(), nanoseconds=0)

    error = refusal(*map(whole, files))

    assert error.condition is Condition.BAD_FILE
    assert error.context["path"] == str(bad)


def test_file_that_changes_while_they_are_parsed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are looked at once more when their rows are there."""
    files = landed(tmp_path)
    parse = JsonFormat.parse_together

    def late(self, *arguments, **options):
        found = parse(self, *arguments, **options)
        rewritten(files[2], b"other")
        return found

    monkeypatch.setattr(JsonFormat, "parse_together", late)

    assert refusal(*map(whole, files)).context["path"] == files[2].path


def test_plain_file_that_was_another_when_it_was_opened_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is the one that was discovered before and after."""
    files = [replace(land(tmp_path, str(seq)), seq=seq) for seq in range(1, 4)]
    rewritten(files[1], LINES.replace(b"1", b"2"))
    parse = JsonFormat.parse_together

    def put_back(self, *arguments, **options):
        rewritten(files[1], LINES, nanoseconds=0)
        return parse(self, *arguments, **options)

    monkeypatch.setattr(JsonFormat, "parse_together", put_back)

    assert refusal(*map(whole, files)).context["path"] == files[1].path


def test_plain_file_that_became_a_link_out_of_the_folder_is_named(
    tmp_path: Path,
) -> None:
    """Though what it leads to has the same size and time."""
    landing = tmp_path / "landing"
    landing.mkdir()
    files = [replace(land(landing, str(seq)), seq=seq) for seq in range(1, 4)]
    secret = land(tmp_path, "secret", LINES)
    Path(files[1].path).unlink()
    Path(files[1].path).symlink_to(secret.path)

    error = refusal(*map(whole, files), within=(str(landing),))

    assert error.context["path"] == files[1].path


def test_many_small_files_are_parsed_in_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call for each of them would cost more than all their bytes."""
    files, calls = landed(tmp_path), []
    parse = JsonFormat.parse_together

    def counted(self, found, *arguments, **options):
        calls.append(len(found))
        return parse(self, found, *arguments, **options)

    monkeypatch.setattr(JsonFormat, "parse_together", counted)
    monkeypatch.setattr(module, "_TOGETHER_BYTES", files[0].size * 2)

    rows = read(*map(whole, files))

    assert calls == [2]
    names = [row["_metadata"]["file_name"] for row in rows]
    assert names == ["1.gz"] * 100 + ["2.gz"] * 100 + ["3.gz"] * 100


def test_metadata_may_be_left_out_where_it_is_that_of_the_row_before(
    tmp_path: Path,
) -> None:
    """Java fills it in again; most rows would bring more of it than of their own."""
    empty = replace(land(tmp_path, "0", b""), seq=4)
    one, other = landed(tmp_path)[:2]
    files = (one, empty, other)

    shared = read(*map(whole, files), shares_metadata=True)

    full = read(*map(whole, files))
    for at, row in enumerate(shared):
        assert row["_metadata"] == (full[at]["_metadata"] if at in {0, 100} else None)
    assert {row["_metadata"]["file_name"] for row in full[100:]} == {"2.gz"}


def test_runs_are_cut_where_blocks_end(tmp_path: Path) -> None:
    """A block may end within a file's rows, and a file may have none."""
    first, none, last = map(whole, landed(tmp_path))
    sizes = (3, 1, 2)
    blocks = [ParsedBlock(pa.table({"i": [0] * size}), None) for size in sizes]
    runs = [Run(first, 2), Run(none, 0), Run(last, 4)]

    cut = [mine for _, mine in cut_runs(blocks, runs)]

    assert cut == [[Run(first, 2), Run(last, 1)], [Run(last, 1)], [Run(last, 2)]]


@pytest.mark.parametrize(
    ("content", "asked"),
    [
        (b'{"i": 1, "new": 2}', {"new_fields": NewFields.REFUSED}),
        (b"nope", {"fail_on_malformed": True}),
    ],
)
def test_file_that_must_not_go_on_is_found_among_many(
    tmp_path: Path, content: bytes, asked: dict[str, object]
) -> None:
    """What many files hold is looked at as that of one is, and names its file."""
    good = replace(land(tmp_path, "a", b'{"i": 1}'), seq=1)
    bad = replace(land(tmp_path, "b", content), seq=2)

    error = refusal(whole(good), whole(bad), **asked)

    assert error.context["path"] == bad.path
