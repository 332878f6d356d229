"""What the docs point at is there: cited tests, pages and headings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"
PAGES = [TESTS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]*)\)")
CITED = re.compile(r"`(?:tests/)?(\w+(?:/\w+)*/test_\w+\.py)(?:::(\w+))?")


def cited() -> list[tuple[str, str]]:
    """Return each file that the docs cite, with the name of a test in it or nothing."""
    pages = [page.read_text(encoding="utf-8") for page in sorted(DOCS.rglob("*.md"))]
    return sorted({each for page in pages for each in CITED.findall(page)})


@pytest.mark.parametrize(("path", "name"), cited())
def test_cited_test_is_there(path: str, name: str) -> None:
    """A guarantee whose test is gone is a claim."""
    file = TESTS / path

    assert file.is_file()
    assert not name or f"def {name}(" in file.read_text(encoding="utf-8")


def headings(page: Path) -> set[str]:
    """Return the names under which links find the headings of a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    titles = [line.lstrip("# ").lower() for line in lines if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_pages_and_headings(page: Path) -> None:
    """A link within the project names a file, and a heading if it has one."""
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        file = page.parent / path if path else page

        assert file.exists(), target
        assert not heading or heading in headings(file), target
