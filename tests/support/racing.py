"""Let threads or processes do the same thing in the same moment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from sluice.ledger.ledger import Ledger

RACERS = 4
_TURNS = 6
_DEADLINE = 240
# Says that it is ready, and begins when it gets a line.
_DISCOVERER = """
import sys
from datetime import UTC, datetime
from sluice.model import FileVersion
from sluice.ledger.ledger import Ledger
location, racer, turns = sys.argv[1:]
ledger = Ledger.open_or_create(location)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(int(turns)):
    names = [f"{turn}-{number}" for number in range(3)] + [f"{turn}-{racer}"]
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    ledger.append_new([FileVersion(name, 1, moment) for name in names], run_id=racer)
"""
_Result = TypeVar("_Result")


def together(act: Callable[[int], _Result]) -> list[_Result]:
    """Let threads call ``act`` with their number in one moment; return the results."""
    barrier = Barrier(RACERS)

    def race_of(racer: int) -> _Result:
        barrier.wait()
        return act(racer)

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(race_of, range(RACERS)))


def race(script: str, racers: Sequence[Sequence[str]]) -> list[str]:
    """Run a script in a process for each of ``racers``, which are its arguments.

    It prints ``ready`` when it is, and begins with the line that it is sent then. What
    each prints after that is returned.
    """
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for arguments in racers
    ]
    for each in running:
        assert each.stdout
        assert each.stdout.readline() == "ready\n"
    for each in running:
        assert each.stdin
        each.stdin.write("go\n")
        each.stdin.flush()
    printed = [each.communicate(timeout=_DEADLINE)[0] for each in running]
    assert [each.returncode for each in running] == [0] * len(racers)
    return printed


def check_racing_discoverers(location: str) -> None:
    """Let two processes make a ledger and enter files; nothing may come twice."""
    race(_DISCOVERER, [(location, racer, str(_TURNS)) for racer in "xy"])

    ledger = Ledger.open(location)
    assert ledger is not None
    found = ledger.files()
    # Each turn has three files of both and one of each.
    assert [file.seq for file in found] == list(range(1, 5 * _TURNS + 1))
    assert len({file.path for file in found}) == 5 * _TURNS
