from __future__ import annotations

import pytest
from pyspark.errors import PySparkException

from sluice.errors import Condition, FatalError, RetryableError
from sluice.spark.failures import all_causes, causes, delta_error, own_error

WORKER = """[PYTHON_EXCEPTION] An exception was thrown from the Python worker: Traceback
  File "read.py", line 1, in _read_slice
sluice.errors.{kind}: [{condition}] file '/in/[a] b.gz' is bad: land it again
 SQLSTATE: 38000"""


def chain(*texts: str) -> PySparkException:
    """Return an error whose causes have ``texts``, as PySpark links them."""
    first, *rest = (PySparkException(text) for text in texts)
    last = first
    for each in rest:
        last._cause, last = each, each  # type: ignore[attr-defined]
    return first


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_our_error_is_found_below_what_spark_wraps_around_it(depth: int) -> None:
    """A failed task has it only as the cause of a cause."""
    text = WORKER.format(kind="FatalError", condition="BAD_FILE")

    error = own_error(chain(*["[STREAM_FAILED] wrapped"] * depth, text))

    assert type(error) is FatalError
    assert error.condition is Condition.BAD_FILE
    assert error.message == "file '/in/[a] b.gz' is bad: land it again"


def test_error_keeps_what_to_do_about_it() -> None:
    """The class, and so the exit code of the job, says whether to retry."""
    text = WORKER.format(kind="RetryableError", condition="COMMIT_CONFLICT")

    assert type(own_error(chain(text))) is RetryableError


def test_error_of_others_is_not_ours() -> None:
    """A full disk or a bug of Spark is reported as it is."""
    error = chain("[TASK_WRITE_FAILED] failed", "java.io.IOException: full")

    assert own_error(error) is None
    assert list(causes(error)) == [
        "[TASK_WRITE_FAILED] failed",
        "java.io.IOException: full",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Multiple streaming queries are concurrently using file:/x/offsets.",
        "[DELTA_CONCURRENT_TRANSACTION] transaction is there",
        "Job aborted: Python worker exited unexpectedly (crashed).",
        "Python worker failed to connect back.",
        "java.io.EOFException",
        "java.net.SocketException: Broken pipe",
    ],
)
def test_another_driver_or_a_killed_process_is_worth_another_try(text: str) -> None:
    """The next run repeats what was cut off, so no person need look at it."""
    text_of_all = all_causes(chain("[STREAM_FAILED] Query terminated", text))

    assert type(delta_error("/table", text_of_all)) is RetryableError


@pytest.mark.parametrize(
    "text", ["java.io.IOException: full", "java.io.EOFException: end of ZLIB stream"]
)
def test_failure_that_may_last_is_fatal(text: str) -> None:
    """To try again by itself would hide it."""
    text_of_all = all_causes(chain("[STREAM_FAILED] Query terminated", text))

    assert type(delta_error("/table", text_of_all)) is FatalError


def test_state_of_other_types_has_a_remedy() -> None:
    """Spark's own text names neither the column nor a way out."""
    text = "[STATE_STORE_VALUE_SCHEMA_NOT_COMPATIBLE] Provided value schema does not"

    error = delta_error("/table", all_causes(chain("[STREAM_FAILED] ended", text)))

    assert type(error) is FatalError
    assert "cast the column in the aggregate" in error.message
