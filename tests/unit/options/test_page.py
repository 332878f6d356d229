"""The page of options is what the code says, and each option has a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.options.table import OPTIONS
from sluice.values import Option
from support.option_tests import proof_of, stale_proofs
from support.options_page import PAGE, SECTIONS, page_of, sections_of

TESTS = Path(__file__).parents[2]
ROWS = [(section, row) for section, rows in SECTIONS.items() for row in rows]


def test_page_has_the_tables_of_the_code() -> None:
    """A page that drifts names options that do not exist."""
    text = PAGE.read_text(encoding="utf-8")

    assert sections_of(text) == list(SECTIONS)
    assert page_of(text) == text, "run `make docs`"


def test_every_option_is_in_a_table() -> None:
    """One that is left out cannot be found."""
    assert [row for row in OPTIONS if row not in [each for _, each in ROWS]] == []


@pytest.mark.parametrize(("section", "row"), ROWS)
def test_every_option_has_a_test_that_names_it(section: str, row: Option) -> None:
    """An option without one works by accident."""
    path, _, name = proof_of(section, row).partition("::")
    text = (TESTS / path).read_text(encoding="utf-8")

    assert f"def {name}(" in text
    spelled = {name.removeprefix("cloudFiles.") for name in row.names}
    spelled |= {row.field or row.name}
    assert row.only is not None or any(each in text for each in spelled)


@pytest.mark.parametrize("section", SECTIONS)
def test_no_test_is_named_for_an_option_that_is_gone(section: str) -> None:
    """Nor for one that is refused, of which one test speaks for all."""
    assert stale_proofs(section, SECTIONS[section]) == set()
