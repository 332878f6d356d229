"""Spark's errors, divided by whether to try again."""

from __future__ import annotations

import pytest

from sluice.errors import Condition, FatalError, RetryableError
from sluice.spark.failures import delta_error


@pytest.mark.parametrize(
    "message",
    [
        "[DELTA_CONCURRENT_APPEND.WITHOUT_HINT] Transaction conflict detected.",
        "io.delta.exceptions.ConcurrentTransactionException: This error occurs when",
        "[DELTA_PROTOCOL_CHANGED] ProtocolChangedException: The protocol version of",
        "[CONCURRENT_QUERY] Another instance of this query was just started",
        "[CONCURRENT_STREAM_LOG_UPDATE] Concurrent update to the log.",
    ],
)
def test_a_conflict_is_worth_another_try(message):
    """Another process wrote at the same time; the same call may succeed later."""
    error = delta_error("/lake/silver/t", message)

    assert isinstance(error, RetryableError)
    assert error.condition is Condition.COMMIT_CONFLICT


def test_anything_else_wants_a_person():
    """The first line says what it is; the plan that follows does not help."""
    error = delta_error(
        "/lake/silver/t", "\n[DIVIDE_BY_ZERO] Division by zero.\nplan\nplan"
    )

    assert isinstance(error, FatalError)
    assert error.condition is Condition.QUERY_FAILED
    assert "Division by zero.; nothing" in error.message
