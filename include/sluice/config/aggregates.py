"""SQL of silver tables: what Spark gives of a table and not of a stream."""

from __future__ import annotations

import re

from sluice.config.expressions import check_expression

# Words that the parser refuses as a column.
_KEYWORDS = (
    "all|alter|and|any|as|between|case|connect_by_root|create|cross|distinct|drop|else|"
    "except|for|from|glob|grant|having|ilike|inner|insert|intersect|into|join|lateral|"
    "like|minus|not|"
    "notnull|on|or|outer|partitioned_by|qualify|regexp|returning|revoke|rlike|rollback|"
    "select|serdeproperties|tablesample|then|uncache|union|using|values|when|where|"
    "with|xor"
)
# The commonest aggregates. To import the parser is a tenth of a run without new files.
_PLAIN = re.compile(
    rf"count\(\*\)|(?:count|sum|avg|min|max)\((?!(?:{_KEYWORDS})\))[a-z_][a-z0-9_]*\)",
    re.ASCII | re.IGNORECASE,
)


def require_row_expression(sql: str) -> str:
    """Return a condition on rows as it is.

    Raises:
        ValueError: it is no expression that ``check_expression`` lets pass.
    """
    check_expression(sql)
    return sql


def require_streaming(sql: str) -> str:
    """Return the aggregate as it is.

    Raises:
        ValueError: it is no expression that ``check_expression`` lets pass, or no
            stream can compute it; the message says what to write instead.
    """
    if is_plain(sql):
        return sql
    check_expression(sql)
    # A fifth of a second to import, which a file without expressions need not pay.
    from sqlglot import exp, parse_one  # noqa: PLC0415

    parsed = parse_one(sql, dialect="spark")
    distinct = parsed.find(exp.Distinct)
    if distinct is not None:
        inner = ", ".join(each.sql("spark") for each in distinct.expressions)
        message = (
            f"a stream cannot count distinct values exactly, got {sql!r}; write "
            f"'approx_count_distinct({inner})', or 'size(collect_set({inner}))' where "
            "they are few"
        )
        raise ValueError(message)
    if parsed.find(exp.Window) is not None:
        message = f"an aggregate of a stream has no OVER, got {sql!r}; remove it"
        raise ValueError(message)
    return sql


def is_plain(sql: str) -> bool:
    """Return True if ``sql`` is an aggregate of one column that needs no parser."""
    return _PLAIN.fullmatch(sql) is not None
