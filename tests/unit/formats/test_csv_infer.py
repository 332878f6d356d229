"""Types of cells are found by few looks, whatever a column holds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import FrameType

import pyarrow as pa
import pytest

from support.csv_rows import csv_format, parse

CSV = csv_format(header="true")


@pytest.mark.parametrize(
    "top", ["word", "1", "12345678901", "9" * 30, "1.5", "2026-01-31", "true"]
)
def test_a_column_of_text_is_told_by_its_first_odd_cell(
    tmp_path: Path, top: str
) -> None:
    """However many follow, and of whatever type it looks to be at its top."""

    def infer(words: int) -> pa.Schema:
        path = tmp_path / f"{words}.csv"
        path.write_text("\n".join(["a", *[top] * 100, *["word"] * words, ""]))
        return CSV.infer([str(path)], max_bytes=1 << 20, typed=True)

    few, many = calls_of(lambda: infer(1000)), calls_of(lambda: infer(50_000))
    assert infer(1000) == pa.schema({"a": pa.string()})
    assert many < few + 5000  # one for each word would be 49,000 more


@pytest.mark.parametrize("exponent", ["-999999999", "-2147483647"])
def test_an_endless_exponent_is_a_double(tmp_path: Path, exponent: str) -> None:
    """Pyarrow's own cast to a decimal would end the process."""
    (tmp_path / "a").write_text(f"a\n1E{exponent}\n")
    found = CSV.infer([str(tmp_path / "a")], max_bytes=100, typed=True)

    assert found.types == [pa.float64()]
    decimals = pa.schema({"a": pa.decimal128(10, 2)})
    rows, rescued = parse(f"1E{exponent}\n2.5\n".encode(), decimals)
    assert rows == [(Decimal(0),), (Decimal("2.5"),)]
    assert rescued == [{}, {}]


def calls_of(work: Callable[[], object]) -> int:
    """Return how many functions of Python ``work`` calls."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        del frame, argument
        calls += event == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls
