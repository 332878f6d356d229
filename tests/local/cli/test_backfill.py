"""``sluice backfill`` where there is nothing to compute again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.builders import SILVER
from support.command_line import command_line
from support.replays import DDL


def test_tables_that_are_computed_whole_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For they are not in the list of what was done."""
    file = tmp_path / "orders.yaml"
    bronze = {"source": {"schema": DDL}}
    keys = {"name": "orders", "lake": str(tmp_path), "bronze": bronze}
    silver = {**SILVER, "output_mode": "complete"}
    file.write_text(json.dumps({**keys, "silver": [silver]}))

    interval = ("--from", "2025-01-01T00:00:00Z", "--to", "2025-01-02T00:00:00Z")
    sluice = command_line(capsys, monkeypatch)
    code, out, err = sluice("backfill", str(file), *interval)

    assert (code, out) == (0, "")
    assert f"tables ['{SILVER['name']}'] are computed whole" in err
