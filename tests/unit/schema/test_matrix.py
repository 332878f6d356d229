"""docs/schema_matrix.md has the tables that come of reading its files."""

from __future__ import annotations

from itertools import product

import pytest

from support.matrix_page import PAGE, table_of, tables_in
from support.schema_cases import CASES, FORMATS

TABLES = tables_in(PAGE.read_text(encoding="utf-8"))
# The kinds of change that a mode decides, each of which every format has that can.
KINDS = {
    *("new", "missing", "wider", "narrower", "other type", "renamed"),
    *("in another case", "new folder", "folder missing", "folder, wider"),
}
FLAT = {"new, nested", "new, in an array", "wider, in an array"}


@pytest.mark.parametrize("kind", FORMATS)
def test_table_is_what_is_read(kind: str) -> None:
    """``make docs`` writes it; a cell that differs is a change that users see."""
    assert TABLES[kind] == table_of(kind)


def test_no_change_and_no_format_is_missing() -> None:
    """A table without a line would hide what becomes of its field."""
    found = {(case.title, kind) for case in CASES for kind in case.formats}

    assert TABLES.keys() == set(FORMATS)
    assert found >= set(product(KINDS, FORMATS))
    assert found >= set(product(FLAT, set(FORMATS) - {"csv"}))
