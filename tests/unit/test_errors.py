from __future__ import annotations

import pickle

import pytest

from sluice.errors import (
    Condition,
    ExitCode,
    FatalError,
    RetryableError,
    SluiceError,
    UsageError,
)


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (UsageError, ExitCode.USAGE),
        (FatalError, ExitCode.DATA),
        (RetryableError, ExitCode.TEMPORARY),
    ],
)
def test_error_survives_pickling(kind: type[SluiceError], exit_code: ExitCode) -> None:
    """Errors cross from Spark's workers and Airflow's tasks whole."""
    error = kind(Condition.BAD_FILE, "file 'a' is bad; remove it", {"path": "a"})

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is kind
    assert copy.condition is Condition.BAD_FILE
    assert copy.message == error.message
    assert copy.context == {"path": "a"}
    assert copy.exit_code == exit_code


def test_text_begins_with_condition() -> None:
    """A log line can be searched for by the stable name."""
    error = FatalError(Condition.CLAIM_CONFLICT, "another driver planned")

    assert str(error) == "[CLAIM_CONFLICT] another driver planned"


def test_context_is_a_copy() -> None:
    """What a caller does to its mapping later does not change the error."""
    context = {"path": "a"}
    error = FatalError(Condition.BAD_FILE, "text", context)

    context["path"] = "b"

    assert error.context == {"path": "a"}


def test_exit_codes_are_those_that_others_rely_on() -> None:
    """Airflow's retry rules and users' scripts compare these numbers."""
    assert [int(code) for code in ExitCode] == [0, 64, 65, 75, 99]


def test_condition_is_spelled_as_named() -> None:
    """A condition's name and value are one word, so a search finds both."""
    assert [each.name for each in Condition] == [each.value for each in Condition]
