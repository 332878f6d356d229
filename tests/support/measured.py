"""Files read by a process each, and the memory that each of them took."""

from __future__ import annotations

import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_RESULT = tuple[int, str]


@dataclass(frozen=True)
class Measured:
    """What became of a call: its result, and how many bytes its memory grew by."""

    result: str
    grown: int


def measure(
    calls: Sequence[tuple[Callable[..., str], Sequence[object]]],
) -> list[Measured]:
    """Make each call, of a function that has a module, in a process of its own."""
    with tempfile.NamedTemporaryFile() as given:
        pickle.dump(list(calls), given)
        given.flush()
        done = subprocess.run(
            [sys.executable, "-m", "support.measured", given.name],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=False,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    return [Measured(*json.loads(line)) for line in done.stdout.splitlines()]


def _fork(call: Callable[..., str], given: Sequence[object]) -> None:
    """Print what a call returns or raises; processes that fork have no threads yet.

    Python itself may fall over where it gets no memory: a process that ends so is begun
    once more, as a task would be.
    """
    answer, status = _attempt(call, given)
    if not answer:
        answer, status = _attempt(call, given)
    print(answer or json.dumps([f"ended with {status}", 0]), flush=True)  # noqa: T201


def _attempt(call: Callable[..., str], given: Sequence[object]) -> tuple[str, int]:
    """Return what a process of its own says of a call, and how it ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            result = call(*given)
        except BaseException as error:  # noqa: BLE001 - it is what is asked for
            result = f"{type(error).__name__}: {error}"
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        os.write(writing, json.dumps([result[:4000], grown << 10]).encode())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        return answer.read(), status


if __name__ == "__main__":
    for call, given in pickle.loads(Path(sys.argv[1]).read_bytes()):
        _fork(call, given)
