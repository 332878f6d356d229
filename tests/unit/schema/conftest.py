"""A stream over a folder of its own, whose schema is inferred."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.options.options import CloudFilesOptions


@pytest.fixture
def options(tmp_path: Path) -> CloudFilesOptions:
    """Return the options of a stream over an empty folder."""
    (tmp_path / "in").mkdir()
    return CloudFilesOptions(
        path=str(tmp_path / "in"),
        schema_location=str(tmp_path / "schemas"),
        infer_column_types=True,
        run_id="run-1",
    )
