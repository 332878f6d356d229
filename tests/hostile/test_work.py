"""What a long record costs grows as it does, and not faster."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

from sluice.audit import counting
from sluice.audit.counting import count_records
from sluice.formats.base import Format
from sluice.formats.csv import CsvFormat
from sluice.formats.csv_tokens import Cells, Dialect, OddQuotes
from sluice.formats.csv_values import convert
from sluice.formats.json import JsonFormat
from sluice.formats.moments import DEFAULTS
from sluice.formats.streams import BadFileError
from sluice.formats.text import TextFormat
from sluice.options.globs import matches
from support.mutations import CASES
from support.reading import land, read, whole

_SMALL, _TIMES = 1 << 12, 8
_OUTPUT = pa.schema([("id", pa.int64()), ("_rescued_data", pa.string())])


def growth(call: Callable[[int], object]) -> float:
    """Return how many times as much a call costs whose input is eight times as long."""
    costs = []
    for size in (_SMALL, _SMALL * _TIMES):
        found = []
        for _ in range(2):
            begun = time.process_time()
            call(size)
            found.append(time.process_time() - begun)
        costs.append(min(found))
    return costs[1] / max(costs[0], 0.001)


# What each is made of, one after the other, behind a beginning and before an end.
RECORDS = {
    "escaped quotes": (b'{"a":"', b'\\"', b""),
    "open objects": (b"", b'{"a":', b""),
    "open arrays": (b'{"a":', b"[", b""),
    "backslashes": (b"{'a':'", b"\\", b""),
    "quotes": (b"{", b'"', b"}"),
    "single quotes": (b"{", b"'", b"}"),
    "words": (b"{", b"NaN ", b"}"),
    "halves of pairs": (b'{"a":"', b"\\ud800", b'"}'),
    "digits": (b'{"id":', b"9", b"}"),
    "exponent": (b'{"id":1e', b"9", b"}"),
    "spaces": (b"{", b" ", b""),
    "comments": (b"", b"/* ", b""),
    "closed comments": (b"", b"/**/", b""),
    "slashes": (b"", b"/", b""),
    "elements": (b"[", b"{},", b""),
    "names": (b"{", b"a ", b"}"),
    "letters": (b'{"a":', "é".encode(), b""),
    "signs": (b"{", b"+", b"}"),
    "names and comments": (b"{", b"$/*", b"}"),
    "members": (b"{", b'"a":1,', b'"b":x}'),
}
DIALECTS = [CASES["json"].format, CASES["json lenient"].format]


@pytest.mark.parametrize("kind", RECORDS)
@pytest.mark.parametrize("given", DIALECTS, ids=["strict", "lenient"])
def test_rescue_is_linear(tmp_path: Path, kind: str, given: Format) -> None:
    """Of whatever a malformed record is made; so is what the audit counts of it."""
    begin, unit, end = RECORDS[kind]

    def rescue(size: int) -> None:
        content = begin + unit * (size // len(unit)) + end
        file = land(tmp_path, "a", content)
        read(whole(file), format=given, output=_OUTPUT)
        count_records(file.path, given)

    assert growth(rescue) < 3 * _TIMES


CELLS = {
    "quotes": b'"',
    "escapes": b"\\",
    "escaped quotes": b'\\"',
    "cells": b'","',
    "odd quotes": b'"a"b,',
    "spaces": b'" ',
    "separators": b",",
    "returns": b"\r",
}


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("name", ["csv", "csv document", "csv trimmed"])
def test_cells_are_cut_in_linear_time(tmp_path: Path, kind: str, name: str) -> None:
    """However the quotes of a record stand."""
    given = CASES[name].format

    def cut(size: int) -> None:
        content = b'id,name\n"' + CELLS[kind] * (size // len(CELLS[kind])) + b"\n"
        file = land(tmp_path, "a", content)
        read(whole(file), format=given, output=_OUTPUT)
        count_records(file.path, given)

    assert growth(cut) < 3 * _TIMES


@pytest.mark.parametrize("rule", OddQuotes)
@pytest.mark.parametrize("unit", ['"b', '"|b', '"||b', '" b', '\\"', "|", '""'])
def test_odd_quotes_are_linear(rule: OddQuotes, unit: str) -> None:
    """Each may close the cell, and whatever becomes of it is not asked again."""
    dialect = Dialect(separator="||", odd_quotes=rule)

    def cut(size: int) -> None:
        with suppress(BadFileError):
            assert list(Cells('"a' + unit * size, dialect))

    assert growth(cut) < 3 * _TIMES


@pytest.mark.parametrize(
    "given",
    [
        JsonFormat(),
        TextFormat(),
        TextFormat(line_sep=b"ab"),
        CsvFormat(header=True),
        CsvFormat(header=True, multi_line=True),
    ],
    ids=["json", "text", "text separated", "csv", "csv document"],
)
def test_audit_counts_a_long_line_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Format
) -> None:
    """In blocks that are much smaller than it is."""
    monkeypatch.setattr(counting, "_BLOCK_BYTES", 64)

    def count(size: int) -> None:
        file = land(tmp_path, "a.gz", gzip.compress(b"id\n" + b"x" * 64 * size, 1))
        assert count_records(file.path, given) >= 1

    assert growth(count) < 3 * _TIMES


@pytest.mark.parametrize("given", [JsonFormat, CsvFormat], ids=["json", "csv"])
@pytest.mark.parametrize("whole_file", [True, False])
def test_audit_holds_no_more_than_a_reader_may(
    tmp_path: Path, given: type, whole_file: bool
) -> None:
    """A line, or a document, that is too long for one is too long for the other."""
    size = 12 << 20
    file = land(tmp_path, "a", b"id\n" + b"x" * size + b"\n")
    limits = (file.size, file.size - 1) if whole_file else (size + 1, 1 << 20)

    counts = [given(multi_line=whole_file, max_content_bytes=each) for each in limits]

    assert count_records(file.path, counts[0]) >= 1
    with pytest.raises(ValueError, match="in memory at once"):
        count_records(file.path, counts[1])


@pytest.mark.parametrize("pattern", ["*a" * 12, "a*" * 12 + "b", "{a,b}" * 8, "?" * 40])
def test_globs_are_linear(pattern: str) -> None:
    """A name that almost fits is given up at once."""

    def match(size: int) -> None:
        matches("a" * (size // 8), pattern)

    assert growth(match) < 3 * _TIMES


@pytest.mark.parametrize("kind", [pa.float64(), pa.decimal128(38, 9), pa.int64()])
def test_number_that_is_none_is_found_in_linear_time(kind: pa.DataType) -> None:
    """Digits may be cut in two anywhere, and nothing is tried at each place."""

    def read_cell(size: int) -> None:
        cell = pa.array(["9" * size + "x"])
        assert convert(cell, kind, DEFAULTS)[1] == [0]

    assert growth(read_cell) < 3 * _TIMES
