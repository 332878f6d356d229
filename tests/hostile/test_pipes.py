"""A pipe in the place of a file makes no reader wait."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from sluice import storage
from sluice.errors import Condition, FatalError
from sluice.formats.json import JsonFormat
from sluice.formats.registry import FORMATS, format_class
from sluice.model import LedgerFile
from sluice.reading.partition import FileSlice
from sluice.reading.plan import ReadPlan
from sluice.reading.read import read_slices

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_pipe_is_no_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Opening one waits until a writer comes; a folder is none either."""
    make(tmp_path / "a.json")

    with pytest.raises(OSError, match="no regular file") as caught:
        storage.open_input(str(tmp_path / "a.json"))

    assert caught.value.errno is None


@pytest.mark.parametrize("name", FORMATS)
def test_swapped_file_is_a_bad_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Between the last look at a file and its opening, too: then it is that file's."""
    path = tmp_path / "a.x"
    os.mkfifo(path)
    file = LedgerFile(1, str(path), 3, datetime.now(UTC))
    found = storage.FileStatus(file.size, file.modified)
    # The look just before; what opens it is real.
    monkeypatch.setattr(storage, "status", lambda _: found)
    columns = {"text": "value", "binaryFile": "content"}
    kind = pa.binary() if name == "binaryFile" else pa.string()
    plan = ReadPlan(
        format=format_class(name)(),
        output=pa.schema([(columns.get(name, "id"), kind)]),
    )

    with pytest.raises(FatalError, match="no regular file") as caught:
        list(read_slices([FileSlice(file, 0, 3)], plan))

    assert caught.value.condition is Condition.BAD_FILE


def test_inference_passes_over_a_pipe(tmp_path: Path) -> None:
    """With a warning, as over any file that cannot be read."""
    os.mkfifo(tmp_path / "a.json")
    path = str(tmp_path / "a.json")

    assert JsonFormat().infer([path], max_bytes=9, typed=True).names == []
