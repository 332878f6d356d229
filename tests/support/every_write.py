"""Crash at the k-th storage write, for every k: no JVM, so a run takes a moment.

``python -m support.every_write SCENARIO FOLDER [names]``: each attempt has a lake of
its own, ``FOLDER/k``, which is prepared, acted on, killed before its k-th write and
acted on again. With ``names`` those writes count that give a whole file its name, but
for the data files of tables: until a commit names it, such a file is not there.
Prints a line of JSON for each attempt. A process of its own, for it forks: each attempt
starts in a copy of a process that has all modules and has touched no storage yet.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from support.held_writes import Fork, HeldRun, Write


@dataclass(frozen=True)
class Scenario:
    """Something that writes below a folder, and what must be there before it does."""

    prepare: Callable[[Path], object]
    act: Callable[[Path], object]
    names_only: bool = False
    """Count only the writes that give a whole file its name, data files aside."""


def crash_at_every_write(scenario: Scenario, folder: Path) -> None:
    """Kill the scenario before each of its writes in turn, and act again after each."""
    number = 0
    killed = True
    while killed:
        number += 1
        place = folder / str(number)
        place.mkdir(parents=True)
        _forked(scenario.prepare, place)
        path = _killed_at(scenario, place, number)
        _forked(scenario.act, place)
        killed = path is not None
        print(json.dumps({"number": number, "path": path}), flush=True)


def _killed_at(scenario: Scenario, place: Path, number: int) -> str | None:
    """Act and kill before a write; return its path, None where there are fewer."""
    count = 0
    with HeldRun.fork(lambda: scenario.act(place), place) as run:
        for write in run.writes():
            count += not scenario.names_only or _is_named(write)
            if count == number:
                run.kill()
                return str(write.path.relative_to(place))
    assert run.process.returncode == 0
    return None


def _is_named(write: Write) -> bool:
    """Return True if a whole file gets the name by which it is found."""
    return write.source is not None and write.path.suffix != ".parquet"


def _forked(act: Callable[[Path], object], place: Path) -> None:
    """Act in a copy of this process, so that this one stays as it is."""
    assert Fork(lambda: act(place)).wait() == 0


def main(name: str, folder: str, only: str = "") -> None:
    """Crash the scenario ``module:attribute``."""
    module, _, attribute = name.partition(":")
    scenario = getattr(importlib.import_module(module), attribute)
    scenario = replace(scenario, names_only=only == "names")
    crash_at_every_write(scenario, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
