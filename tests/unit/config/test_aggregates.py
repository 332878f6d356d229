"""What passes without the parser is what the parser lets pass."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlglot.dialects.spark import Spark

from sluice.config.aggregates import is_plain, require_streaming
from sluice.config.expressions import check_expression

WORDS = sorted(
    {word.lower() for word in Spark.Tokenizer.KEYWORDS if word.isidentifier()}
)
ORDERS = ("count(*)", "sum(total_amount)", "avg(total_amount)", "MAX(quantity)")


@pytest.mark.parametrize("name", ["sum", "count", "min"])
def test_an_aggregate_of_a_keyword_is_plain_where_it_is_a_column(name: str) -> None:
    """Of every word that the parser knows."""
    assert len(WORDS) > 200
    for word in WORDS:
        sql = f"{name}({word.upper()})"
        if is_plain(sql):
            check_expression(sql)
            require_streaming(f"{sql} + 0")


def test_the_sample_pipeline_needs_no_parser() -> None:
    """It is a tenth of a run without new files."""
    assert all(map(is_plain, ORDERS))
    script = (
        "import sys; from sluice.config import load_pipeline; load_pipeline('orders'); "
        "sys.exit('sqlglot' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    "sql",
    ["count(distinct a)", "sum(*)", "sum(a) + 1", "sum(a) OVER ()", "sum(1a)", "sum()"],
)
def test_whatever_is_more_is_parsed(sql: str) -> None:
    """Also what is wrong, which is refused there."""
    assert not is_plain(sql)
