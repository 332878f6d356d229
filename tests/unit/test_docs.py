"""What the docs say of the tests is checked: a cited test is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"
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
