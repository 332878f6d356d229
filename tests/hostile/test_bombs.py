"""A small file that becomes a large one takes no more memory than is stated."""

from __future__ import annotations

import bz2
import gzip
import io
import resource
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sluice.formats.base import Format
from sluice.formats.csv import CsvFormat
from sluice.formats.json import JsonFormat
from sluice.formats.limits import Limits, bounded_memory
from sluice.formats.parquet import ParquetFormat
from sluice.formats.text import TextFormat
from sluice.model import LedgerFile
from sluice.options.options import parse_options
from sluice.reading.plan import ReadPlan
from sluice.reading.read import read_slices
from sluice.schema.widen import wider_by_file
from support.measured import measure
from support.reading import land, read, refusal, whole

_MIB = 1 << 20
_OUTPUT = pa.schema([("value", pa.string())])
_LINES = (b" " * 1023 + b"\n") * (72 << 10)
_LINE = b"0" * (48 * _MIB)
# A record may have 8 MB, and what reads it 160 beyond what it had.
_RECORD_BYTES = 8 * _MIB
_LIMITS = Limits(memory=160 * _MIB)
_JSON = JsonFormat(max_content_bytes=_RECORD_BYTES)
_CSV = CsvFormat(header=True, multi_line=True, max_content_bytes=_RECORD_BYTES)
_TEXT = TextFormat(max_content_bytes=_RECORD_BYTES)
_WIDENED = pa.schema(
    [("i", pa.int32()), ("l", pa.list_(pa.struct([("a", pa.int32())])))]
)
_NESTED = pa.schema([("l", pa.list_(pa.struct([("a", pa.int64())])))])


def _zstd(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd", 3).compress(content, asbytes=True))


def _parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, dictionary_pagesize_limit=64 * _MIB)
    return stream.getvalue()


def _dictionary() -> bytes:
    """Return rows of one value of 4 MB, of which a page has it once."""
    value = pa.array([0] * 10_000, pa.int32())
    values = pa.DictionaryArray.from_arrays(value, ["x" * (4 * _MIB)])
    return _parquet(pa.table({"value": values}))


def _page() -> bytes:
    """Return one row with a list of so many nulls that a page has in a few bytes."""
    nulls = pa.nulls(24 * _MIB, pa.int64())
    return _parquet(
        pa.table({"value": pa.ListArray.from_arrays([0, len(nulls)], nulls)})
    )


# By kind: a file, its format, the columns asked for, and a word of its error.
Bomb = tuple[Callable[[], bytes], Format, pa.Schema, str]
BOMBS: dict[str, Bomb] = {
    "line, gzip": (lambda: gzip.compress(_LINE, 1), _JSON, _OUTPUT, "maxContentBytes"),
    "line, zstd": (lambda: _zstd(_LINE), _JSON, _OUTPUT, "maxContentBytes"),
    "line, bzip2": (lambda: bz2.compress(_LINE), _TEXT, _OUTPUT, "maxContentBytes"),
    "line, plain": (lambda: _LINE, _TEXT, _OUTPUT, "maxContentBytes"),
    "lines, bzip2": (lambda: bz2.compress(_LINES), _JSON, _OUTPUT, "maxExpansion"),
    "lines, zstd": (lambda: _zstd(_LINES), _JSON, _OUTPUT, "maxExpansion"),
    "open quote": (
        lambda: b'value\n"' + b"a\n" * (5 * _MIB),
        _CSV,
        _OUTPUT,
        "maxCont",
    ),
    "objects": (
        lambda: b'{"l":[' + b'{"a":"x"},' + b"{}," * (5 * _MIB // 2) + b"{}]}",
        _JSON,
        _NESTED,
        "maxFileMemory",
    ),
    "dictionary": (_dictionary, ParquetFormat(), _OUTPUT, "memory"),
    "page": (
        _page,
        ParquetFormat(),
        pa.schema([("value", pa.list_(pa.int64()))]),
        "maxFileMemory",
    ),
}


def outcome(path: str, given: Format, output: pa.Schema) -> str:
    """Return the error of a file, in the process that reads it."""
    content = Path(path).read_bytes()
    file = land(Path(path).parent, Path(path).name, content)
    del content
    plan = ReadPlan(format=given, output=output, limits=_LIMITS)
    for _ in read_slices([whole(file)], plan):
        pass
    return "all of it was read"


def test_memory_stays_bounded(tmp_path: Path) -> None:
    """Of every bomb; each is a bad file whose error says which limit it is beyond."""
    calls = []
    for number, (make, given, output, _) in enumerate(BOMBS.values()):
        path = tmp_path / str(number)
        path.write_bytes(make())
        calls.append((outcome, (str(path), given, output)))

    found = dict(zip(BOMBS, measure(calls), strict=True))

    for kind, each in found.items():
        assert BOMBS[kind][3] in each.result, kind
        assert "cannot be read" in each.result, kind
        # What was there before it was landed counts too.
        assert each.grown < _LIMITS.memory + 50 * _MIB, kind


def widths(*files: LedgerFile) -> str:
    """Return which files need wider columns, in the process that looks."""
    plan = ReadPlan(format=_JSON, output=_WIDENED, limits=_LIMITS, widens=True)
    return str([Path(name).name for name, _ in wider_by_file(plan, files)])


def test_memory_stays_bounded_where_types_grow(tmp_path: Path) -> None:
    """A file that takes too much is passed over: its task names it; others count."""
    bomb = land(tmp_path, "bomb", BOMBS["objects"][0]())
    good = land(tmp_path, "good", b'{"i":12345678901}')

    (found,) = measure([(widths, (bomb, good))])

    assert found.result == "['good']"
    assert found.grown < 2 * _LIMITS.memory


def test_content_beyond_the_expansion_is_a_bad_file(tmp_path: Path) -> None:
    """64 MB are free, whatever a file's size; what plain files hold is their size."""
    most = 64 * _MIB
    packed = [gzip.compress(_LINES[:size], 1) for size in (most, most + 1)]
    output, limits = pa.schema([("i", pa.int64())]), Limits(expansion=1)
    good, bad = (land(tmp_path, f"{n}.gz", each) for n, each in enumerate(packed))

    assert read(whole(good), output=output, limits=limits) == []
    reason = refusal(whole(bad), output=output, limits=limits).context["reason"]

    assert f"more than {most} bytes" in reason
    assert read(whole(bad), output=output, limits=Limits()) == []
    assert Limits(expansion=7).unpacked_bytes(most) == 7 * most


def test_limits_are_options() -> None:
    """With the defaults that the page states."""
    given = {"path": "/in", "cloudFiles.format": "json"}
    own = {
        "sluice.maxExpansion": "9",
        "sluice.maxFileMemory": "1g",
        "sluice.maxNameLength": "10",
    }

    assert parse_options(given).limits == Limits(
        memory=8 << 30, expansion=1000, name_length=255
    )
    assert parse_options(given | own).limits == Limits(
        memory=1 << 30, expansion=9, name_length=10
    )


def test_memory_is_given_back(tmp_path: Path) -> None:
    """The limit is that of one file: behind it the process has what it had."""
    before = resource.getrlimit(resource.RLIMIT_DATA)

    with bounded_memory(Limits(memory=_MIB)), pytest.raises(MemoryError):
        bytearray(64 * _MIB)

    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert read(whole(land(tmp_path, "a")))
