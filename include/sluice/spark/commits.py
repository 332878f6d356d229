"""Commits of Spark to a Delta table that others write, too."""

from __future__ import annotations

from collections.abc import Callable

from sluice.delta.tables import ROUNDS, commit_until_won
from sluice.errors import Condition, RetryableError
from sluice.spark.failures import translated


def commit_over_conflicts(
    location: str,
    commit: Callable[[], None],
    *,
    rounds: int = ROUNDS,
    then: str = "run again",
) -> None:
    """Call ``commit``, again where another commit to the table came first.

    Raises:
        RetryableError: others came first all the time, or a process was cut off.
        FatalError: the table cannot be written.
    """

    def attempt() -> bool | None:
        try:
            with translated(location):
                commit()
        except RetryableError as error:
            if error.condition is not Condition.COMMIT_CONFLICT:
                raise
            return None
        return True

    commit_until_won(f"table {location!r}", attempt, rounds=rounds, then=then)
