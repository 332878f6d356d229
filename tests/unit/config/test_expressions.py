from __future__ import annotations

import pytest

from sluice.config.expressions import check_expression


@pytest.mark.parametrize(
    "sql",
    [
        "total_amount >= 0",
        "order_id IS NOT NULL",
        "payment_method IN ('card', 'cash')",
        "`odd name` <=> s.`in it`",
        "NOT active AND length(trim(code)) BETWEEN 2 AND 4",
        "transform(tags, x -> x + 1)[0] > 1",
        "try_cast(text AS date) <= current_date()",
        "code RLIKE '^[a-z; ]+$'",
        "CASE WHEN a THEN b ELSE c END",
        "true",
    ],
)
def test_expression_over_a_row_is_taken(sql: str) -> None:
    """With all that Spark has for one row, the time of the micro-batch included."""
    check_expression(sql)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("", "one SQL expression over"),
        ("a >", "one SQL expression: "),
        ("a > 0)", "one SQL expression: "),
        ("a > 0; b > 0", "one SQL expression over"),
        ("a > 0 AS good", "one SQL expression over"),
        ("*", "one SQL expression over"),
        ("DROP TABLE orders", "and no query"),
        ("SELECT 1", "and no query"),
        ("a IN (SELECT b FROM t)", "and no query"),
        ("EXISTS (SELECT 1)", "and no query"),
        ("reflect('java.lang.System', 'exit') IS NULL", "may call any code"),
        ("length(JAVA_METHOD('a', 'b')) > 0", "may call any code"),
        ("rand() < 0.5", "another value each time"),
        ("uuid() IS NOT NULL", "another value each time"),
        ("shuffle(tags)[0] = 'a'", "another value each time"),
    ],
)
def test_what_is_no_such_expression_is_refused(sql: str, reason: str) -> None:
    """It would do more than say of a row if it is good, or say it only once."""
    with pytest.raises(ValueError, match=reason):
        check_expression(sql)
