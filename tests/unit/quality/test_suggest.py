"""Which rules are proposed for what the rows of a column have in common."""

from __future__ import annotations

import pytest

from sluice.config import PipelineConfig
from sluice.quality.suggest import ColumnFacts, propose


def column(name: str = "x", *, nulls: int = 0, **keys: object) -> ColumnFacts:
    """Return a column of 100 rows."""
    return ColumnFacts(name=name, rows=100, nulls=nulls, **keys)


@pytest.mark.parametrize(
    ("facts", "conditions"),
    [
        (column(), ["`x` IS NOT NULL"]),
        (column(nulls=1), []),
        (column(nulls=100, least=None), []),
        (column(least=0.0), ["`x` IS NOT NULL", "`x` >= 0"]),
        (column(least=-1.0), ["`x` IS NOT NULL"]),
        (column(nulls=1, least=2.0), ["`x` >= 0 OR `x` IS NULL"]),
        (column(values=("b", "a")), ["`x` IS NOT NULL", "`x` IN ('a', 'b')"]),
        (column(nulls=1, values=("a",)), ["`x` IN ('a') OR `x` IS NULL"]),
        (column(values=("it's",)), ["`x` IS NOT NULL"]),
        (column(values=("a\\b",)), ["`x` IS NOT NULL"]),
        (column(values=("1\xa0234",)), ["`x` IS NOT NULL"]),
        (column("null"), ["`null` IS NOT NULL"]),
        (column("x\u202e"), []),
        (column("order id"), ["`order id` IS NOT NULL"]),
        (column("a`b"), ["`a``b` IS NOT NULL"]),
    ],
)
def test_what_holds_for_all_rows_is_proposed(
    facts: ColumnFacts, conditions: list[str]
) -> None:
    """And nothing that would call a row of today wrong."""
    assert list(propose([facts]).values()) == conditions


def test_each_rule_has_a_name_that_a_pipeline_file_takes() -> None:
    """Names of columns may be anything; two of them may come to the same."""
    names = ("a b", "a-b", "Ä", "1st", "_x", "a.b", "null", "from", "interval")
    columns = [column(each) for each in names]
    rules = propose(columns, taken={"a_b_not_null_2"})

    assert len(rules) == len(columns)
    assert "a_b_not_null_2" not in rules
    expectations = {name: {"expect": sql} for name, sql in rules.items()}
    raw = {"name": "orders", "bronze": {"expectations": expectations}}
    assert PipelineConfig.model_validate(raw)


def test_what_is_expected_already_is_not_proposed() -> None:
    """A second proposal, with the first one in the file, has nothing new."""
    columns = [column(least=1.0), column("y", values=("a",))]
    first = propose(columns)

    assert len(first) == 4
    assert propose(columns, taken=first.keys(), expected=set(first.values())) == {}
    by_hand = {each.replace("`", "") for each in first.values()}
    assert propose(columns, expected=by_hand) == {}
