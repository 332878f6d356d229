"""What a table looks like where no terminal says how wide it may be."""

from __future__ import annotations

import pytest

from sluice.cli.output import print_rows


def test_table_in_a_pipe_is_folded_at_120_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Mails, logs and pages of text have no room for lines of 330 characters."""
    path = "/lake/landing/orders/" + "0123456789" * 30
    print_rows("Files", [{"path": path, "error": "word " * 60, "rows": 7}])

    lines = capsys.readouterr().out.splitlines()

    assert max(map(len, lines)) <= 120
    assert "0123456789" * 3 in "".join(lines)
    assert sum(line.count("word") for line in lines) == 60


def test_short_table_in_a_pipe_keeps_each_row_on_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is read line by line stays so."""
    print_rows("Steps", [{"step": "bronze", "rows": 7}, {"step": "audit", "rows": 0}])

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if "7" in line] == [["bronze", "7"]]
    assert [line for line in lines if "0" in line] == [["audit", "0"]]
