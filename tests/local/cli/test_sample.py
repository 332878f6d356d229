"""``sluice sample`` and ``sluice backfill`` up to where Spark would start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sluice.errors import ExitCode
from support.command_line import Sluice, command_line

_PIPELINE = """
name: orders
lake: {lake}
silver:
  - name: windows
    event_time: {{column: order_date}}
    aggregates: {{order_count: count(*)}}
"""


@pytest.fixture
def sluice(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Sluice:
    """Return the command on an empty lake: its exit code and what it printed."""
    file = tmp_path / "orders.yaml"
    file.write_text(_PIPELINE.format(lake=tmp_path / "lake"))
    call = command_line(capsys, monkeypatch)
    return lambda command, *arguments: call(command, str(file), *arguments)


def test_sample_lands_the_hours_that_were_asked_for(sluice, tmp_path):
    """Into the landing folder of the pipeline, as many files and rows as were said."""
    code, out, _ = sluice("sample", "--hours", "2", "--files", "3", "--rows", "4")
    files = sorted((tmp_path / "lake" / "landing" / "orders").iterdir())

    assert code == ExitCode.DONE
    assert len(files) == 6
    assert {len(path.read_text().splitlines()) for path in files} == {4}
    assert "01:00:00Z" in out


def test_sample_lands_elsewhere_when_asked(sluice, tmp_path):
    """A folder to look at, without touching the pipeline's own."""
    sluice("sample", "--to", str(tmp_path / "here"), "--files", "1")

    assert len(list((tmp_path / "here").iterdir())) == 1
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("option", ["--hours", "--files", "--rows"])
def test_sample_refuses_to_land_nothing(sluice, option):
    """An hour of no rows would look like one that has not landed."""
    code, _, err = sluice("sample", option, "0")

    assert code != ExitCode.DONE
    assert option in err


def test_backfill_of_an_empty_lake_says_so(sluice):
    """No bronze table, nothing to recompute, no Spark, no stack trace."""
    code, out, _ = sluice(
        "backfill", "--from", "2025-01-01", "--to", "2025-01-02", "--json"
    )
    found = json.loads(out)

    assert code == ExitCode.DONE
    assert [(row["table"], row["windows_replaced"]) for row in found] == [
        ("windows", 0)
    ]
    assert "does not exist yet" in found[0]["notes"][0]


def test_backfill_refuses_an_empty_interval(sluice):
    """The mistake is in the command line, so its exit code is 64."""
    code, _, err = sluice("backfill", "--from", "2025-01-02", "--to", "2025-01-01")

    assert code == ExitCode.USAGE
    assert "is empty" in err
