"""Names and values that came with files, where people read them."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

import pytest

from sluice.audit import AuditReport
from sluice.audit.render import render_page
from sluice.cli.output import print_line, print_rows
from sluice.options.globs import path_filter
from sluice.rules.findings import Code
from sluice.rules.found import finding
from sluice.visible import visible, visible_lines
from support.hostile_names import HOSTILE

ALL = pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)


@ALL
def test_shown_text_is_printable(name: str) -> None:
    """What is left changes nothing but the place where it stands."""
    shown = visible(name)
    assert shown.isprintable()
    assert shown == name or not name.isprintable()


def test_plain_text_stays() -> None:
    """Letters of all scripts are printable, and the ends of our own lines stay."""
    assert visible("Größe 大小 é.json") == "Größe 大小 é.json"
    assert visible_lines("one\ntwo\x1b") == "one\ntwo\\x1b"


@ALL
def test_commands_print_no_such_text(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither in a table nor in a line."""
    print_rows("files", [{"path": name}])
    print_line(name)

    lines = capsys.readouterr().out.splitlines()
    assert all(line.isprintable() for line in lines)
    assert lines[-1] == visible(name)


@ALL
def test_page_holds_no_such_text(name: str) -> None:
    """Marks that turn the direction of text are no markup, and stay unless shown."""
    found = (finding(Code.ROWS_MISSING, "orders", name, name),)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    page = render_page(
        AuditReport(pipeline="orders", audited_at=moment, findings=found, counts={})
    )
    assert all(line.isprintable() for line in page.split("\n"))


@ALL
def test_remedy_names_the_file_to_a_shell(name: str) -> None:
    """Pasted into a shell it is one word, which the command finds the file by."""
    path = f"/landing/{name}"
    remedy = finding(Code.ROWS_MISSING, "orders", path, "").remedy

    *_, word = shlex.split(remedy)
    assert shlex.split(remedy)[:4] == ["sluice", "replay", "orders", "--files"]
    assert len(shlex.split(remedy)) == 5
    assert remedy.isprintable()
    assert path_filter(word, "/landing")(path)
