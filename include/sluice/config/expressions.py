"""What SQL a pipeline file may hold, as far as that can be said without Spark."""

from __future__ import annotations

# They call any Java method of the driver's and the tasks' class path.
_FORBIDDEN = {"reflect", "java_method", "try_reflect"}
# Another attempt at the same micro-batch would come to another result.
_RANDOM = {
    "monotonically_increasing_id",
    "rand",
    "randn",
    "randstr",
    "random",
    "shuffle",
    "spark_partition_id",
    "uniform",
    "uuid",
}


def check_expression(sql: str) -> None:
    """Refuse what is no single expression over the columns of one row.

    Spark analyses names and types later, when the columns are known.

    Raises:
        ValueError: it cannot be parsed, holds a query, or calls what is not allowed.
    """
    # A fifth of a second to import, which a file without expressions need not pay.
    from sqlglot import exp, parse  # noqa: PLC0415
    from sqlglot.errors import SqlglotError  # noqa: PLC0415

    try:
        found = parse(sql, dialect="spark")
    except (SqlglotError, RecursionError) as error:
        too_deep = isinstance(error, RecursionError)
        reason = "it is nested too deeply" if too_deep else str(error).split("\n")[0]
        message = f"expected one SQL expression: {reason}"
        raise ValueError(message) from None
    tree = found[0] if len(found) == 1 else None
    # Such as `sum(x) FILTER (WHERE y)` and `first(x, true)`.
    nulls = exp.IgnoreNulls | exp.RespectNulls
    kinds = exp.Condition | exp.Paren | exp.Filter | exp.WithinGroup | nulls
    if not isinstance(tree, kinds) or tree.find(exp.Query):
        message = (
            "expected one SQL expression over the columns of a row, without AS, and "
            "no query"
        )
        raise ValueError(message)
    called = {_name(each) for each in tree.find_all(exp.Func)}
    if called & _FORBIDDEN:
        raise _forbidden_error(called & _FORBIDDEN)
    if called & _RANDOM:
        message = (
            f"{sorted(called & _RANDOM)} gives another value each time, and a "
            "micro-batch that is repeated must come to the same; leave it out"
        )
        raise ValueError(message)


def _forbidden_error(called: set[str]) -> ValueError:
    return ValueError(f"{sorted(called)} may call any code; leave it out")


def _name(function: object) -> str:
    """Return what a function is called in SQL, in lower case."""
    from sqlglot import exp  # noqa: PLC0415

    if isinstance(function, exp.Anonymous):
        # Its name may be in backticks.
        return str(function.name).lower()
    assert isinstance(function, exp.Func)
    return function.sql_name().lower()
