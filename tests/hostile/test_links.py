"""A link that leads out of the landing folder brings in nothing."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from sluice.audit.landing import read_landing
from sluice.discovery.listing import list_landed
from sluice.options.options import CloudFilesOptions


@pytest.fixture
def options(tmp_path: Path) -> CloudFilesOptions:
    """Return a folder with a good file, and links to what lies beside and in it."""
    landing, other = tmp_path / "landing", tmp_path / "landing-2"
    for path in (landing / "day" / "a.json", other / "_delta_log" / "0.json"):
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    (landing / "file.json").symlink_to(other / "_delta_log" / "0.json")
    (landing / "folder").symlink_to(other)
    (landing / "log").symlink_to(other / "_delta_log")
    (landing / "again").symlink_to(landing / "day")
    return CloudFilesOptions(path=str(landing), schema_location="/s")


def names(options: CloudFilesOptions) -> set[str]:
    """Return what discovery finds; the audit finds the same."""
    found = {each.path for each in list_landed(options)}
    assert set(read_landing(options) or {}) == found
    return {path.removeprefix(f"{options.path}/") for path in found}


def test_link_that_leads_out(
    options: CloudFilesOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """It is passed over with a warning; ``follow_links`` reads what it leads to."""
    inside = {"day/a.json", "again/a.json"}

    with caplog.at_level(logging.WARNING):
        assert names(options) == inside
    assert "leads out of" in caplog.text
    assert "sluice.followLinks" in caplog.text

    outside = {"file.json", "log/0.json"}
    assert names(replace(options, follow_links=True)) == inside | outside


def test_landing_folder_may_be_a_link(
    options: CloudFilesOptions, tmp_path: Path
) -> None:
    """Who names it means what is there."""
    (tmp_path / "named").symlink_to(options.path)

    named = replace(options, path=str(tmp_path / "named"))

    assert names(named) == {"day/a.json", "again/a.json"}


def test_links_that_lead_nowhere_are_passed_over(options: CloudFilesOptions) -> None:
    """To what is gone, to themselves, through a file, to a name that is too long."""
    landing = Path(options.path)
    for number, target in enumerate(("gone", "odd-1", "day/a.json/x", "b" * 300)):
        (landing / f"odd-{number}").symlink_to(target)

    assert names(options) == {"day/a.json", "again/a.json"}
