"""Delta tables that several processes make or write in the same moment."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from sluice.delta.tables import commit_until_won
from sluice.errors import Condition, RetryableError

_RACERS = 4
_ROUNDS = 40
# Makes a table in each folder that it reads from stdin, and prints its id.
_CREATOR = """
import sys
import pyarrow as pa
from sluice.delta.tables import create_table
for line in sys.stdin:
    table = create_table(line.strip(), pa.schema([("a", pa.int64())]), {"our.key": 1})
    print(table.metadata().id, table.version(), flush=True)
"""


def test_racing_processes_create_one_table(tmp_path: Path) -> None:
    """A second creation would give the ledger another id, or look like a claim."""
    command = [sys.executable, "-c", _CREATOR]
    with ExitStack() as stack:
        racers = [
            stack.enter_context(
                subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(_RACERS)
        ]
        for number in range(_ROUNDS):
            location = tmp_path / str(number)
            for racer in racers:
                assert racer.stdin
                racer.stdin.write(f"{location}\n")
                racer.stdin.flush()
            printed = {racer.stdout.readline() for racer in racers if racer.stdout}
            assert len(printed) == 1, number
            assert printed.pop().endswith(" 0\n")
            assert len(list(location.glob("_delta_log/*.json"))) == 1, number


@pytest.mark.parametrize("result", [0, False, []])
def test_an_attempt_is_repeated_until_it_has_a_result(result: object) -> None:
    """A seq of 0 and no new files are results; only None is a lost commit."""
    attempts = iter([None, None, result])

    assert commit_until_won("table 't'", lambda: next(attempts)) is result


def test_commits_that_are_always_lost_end_with_the_name_of_what_was_lost() -> None:
    """The caller may run again: exit code 75."""
    lost: list[None] = []

    with pytest.raises(RetryableError) as caught:
        commit_until_won("table 't'", lambda: lost.append(None), rounds=3)

    assert len(lost) == 3
    assert caught.value.condition is Condition.COMMIT_CONFLICT
    assert str(caught.value) == (
        "[COMMIT_CONFLICT] table 't': 3 commits by others came first; run again"
    )
