"""Delta tables that several processes make in the same moment."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

_RACERS = 4
_ROUNDS = 40
# Makes a table in each folder that it is told, and says its id.
_CREATOR = """
import sys
import pyarrow as pa
from sluice.tables import create_table
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
            told = {racer.stdout.readline() for racer in racers if racer.stdout}
            assert len(told) == 1, number
            assert told.pop().endswith(" 0\n")
            assert len(list(location.glob("_delta_log/*.json"))) == 1, number
