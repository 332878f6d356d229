"""A landing folder, and what discovery looks at in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sluice.discovery import listing as listing_module
from support.landing import Landing


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    """Return an empty landing folder."""
    return Landing(tmp_path)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each path that is looked at is added."""
    paths: list[str] = []
    stat = os.stat

    def counted(path, *arguments, **keywords):
        if isinstance(path, str) and path.endswith(".json"):
            paths.append(Path(path).name)
        return stat(path, *arguments, **keywords)

    monkeypatch.setattr(listing_module.os, "stat", counted)
    return paths


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the name of each folder that is listed is added."""
    names: list[str] = []
    scandir = os.scandir

    def counted(folder):
        names.append(Path(folder).name)
        return scandir(folder)

    monkeypatch.setattr(listing_module.os, "scandir", counted)
    return names
