"""The command ``sluice`` in the process of a test."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from sluice.cli import main

Sluice = Callable[..., tuple[int, str, str]]
"""Given its arguments: the exit code, and what it printed on stdout and stderr."""


def command_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Sluice:
    """Return the command."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sluice", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        printed = capsys.readouterr()
        return int(str(caught.value.code or 0)), printed.out, printed.err

    return call
