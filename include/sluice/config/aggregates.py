"""Aggregates in SQL: what Spark gives of a table and not of a stream."""

from __future__ import annotations


def require_streaming(sql: str) -> str:
    """Return the aggregate as it is.

    Raises:
        ValueError: no stream can compute it; the message says what to write instead.
    """
    # Only a pipeline with silver tables pays for the import.
    from sqlglot import exp, parse_one  # noqa: PLC0415
    from sqlglot.errors import SqlglotError  # noqa: PLC0415

    try:
        parsed = parse_one(sql, dialect="databricks")
    except SqlglotError:
        return sql  # Spark says what is wrong with it, before the query starts
    distinct = parsed.find(exp.Distinct)
    if distinct is not None:
        inner = ", ".join(each.sql("databricks") for each in distinct.expressions)
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
