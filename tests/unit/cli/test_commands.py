"""The subcommands, each loaded when it is called."""

from __future__ import annotations

import re

import pytest
from typer.main import get_group
from typer.testing import CliRunner

from sluice.cli import app

GROUP = get_group(app)
NAMES = list(GROUP.commands)


@pytest.mark.parametrize("name", NAMES)
def test_command_has_its_name_and_a_help(name: str) -> None:
    """Both are those of the function in its module."""
    command = GROUP.get_command(None, name)

    assert command.name == name
    assert command.help


def test_help_lists_every_command_in_order() -> None:
    """From a new pipeline to what is rarely needed, each with its own help."""
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    rows = re.findall(r"^│ ([a-z][\w-]*) +(.*?) +│$", shown, re.MULTILINE)

    assert [name for name, _ in rows] == NAMES
    for name, text in rows:
        assert GROUP.get_command(None, name).help.startswith(text.rstrip("."))


def test_wrong_name_is_answered_by_the_right_one() -> None:
    """For that no command has to be loaded."""
    done = CliRunner().invoke(app, ["chekpoint"])

    assert done.exit_code == 2
    assert "Did you mean 'checkpoint'" in done.output
