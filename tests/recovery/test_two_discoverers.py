"""Two processes that discover one folder at once, again and again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.delta_rows import read_delta
from support.lakes import Lake

# Both wait for their turn, so that each round begins for both in one moment.
DISCOVERER = """
import sys
from sluice.config import load_pipeline
from sluice.options.configured import source_options
from sluice.discovery.run import discover
from sluice.ledger.ledger import Ledger
pipeline, name = sys.argv[1:]
config = load_pipeline(pipeline)
options = source_options(config)
print("ready", flush=True)
for _ in sys.stdin:
    ledger = Ledger.open_or_create(config.schema_location)
    discover(ledger, options, run_id=name)
    print("done", flush=True)
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rounds", [40, pytest.param(200, marks=pytest.mark.long)])
def test_two_discoverers_give_every_file_one_seq(tmp_path: Path, rounds: int) -> None:
    """Both find the same new file in the same moment, and one of them is refused."""
    lake = Lake(tmp_path)
    discoverers = [start(lake, name) for name in ("x", "y")]
    for turn in range(rounds):
        (lake.landing / f"{turn}.json").write_text("{}\n")
        for each in discoverers:
            say(each, "go")
        for each in discoverers:
            assert answer(each) == "done"
    for each in discoverers:
        each.communicate(timeout=60)

    found = read_delta(lake.ledger / "files").to_pylist()
    assert sorted(each["seq"] for each in found) == list(range(1, rounds + 1))
    assert {each["path"] for each in found} == set(
        map(str, lake.landing.glob("*.json"))
    )
    assert {each["run_id"] for each in found} == {"x", "y"}


def start(lake: Lake, name: str) -> subprocess.Popen[str]:
    """Start a discoverer and wait until it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", DISCOVERER, str(lake.file), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert answer(process) == "ready"
    return process


def say(process: subprocess.Popen[str], word: str) -> None:
    """Say a word to a discoverer."""
    assert process.stdin
    process.stdin.write(f"{word}\n")
    process.stdin.flush()


def answer(process: subprocess.Popen[str]) -> str:
    """Return the next word of a discoverer."""
    assert process.stdout
    return process.stdout.readline().strip()
