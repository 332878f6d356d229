"""Types of cells are found by few looks, whatever a column holds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pyarrow as pa
import pytest

from support.csv_rows import csv_format

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
