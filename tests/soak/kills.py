"""Whom to kill and when: by chance, but spread over the whole of a run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sluice.config import PipelineConfig
from support.killing import kill_session, session_states, signal_session, stop_session

# After a new file appears the run has this long before it is killed, at most.
_AFTER_SECONDS = 0.25
_POLL_SECONDS = 0.005


class Victim(StrEnum):
    """What is killed."""

    DRIVER = "driver and all"
    JVM = "JVM alone"
    SOURCE = "the source's Python process"
    WORKER = "a task's Python process"


# What the command line of each has; Spark names its processes so.
MARKS = {
    Victim.JVM: "org.apache.spark.deploy.SparkSubmit",
    Victim.SOURCE: "python_streaming_source_runner",
    Victim.WORKER: "pyspark.daemon pyspark.worker",
}


@dataclass(frozen=True)
class Plan:
    """One kill: whom, and how long after the n-th new file in a folder.

    A task's process is killed when it is seen at work for the n-th time.
    """

    victim: Victim
    folder: Path | None
    times: int
    pause: float = 0


def watched_folders(config: PipelineConfig) -> dict[str, Path]:
    """Return the folders whose files show how far a run is."""
    ledger = Path(config.schema_location, "_ledger")
    (windows,) = config.silver
    queries = {
        "bronze": (config.bronze_checkpoint_location, config.bronze_location),
        "silver": (
            config.silver_checkpoint_location(windows),
            config.silver_location(windows),
        ),
    }
    folders = {"ledger": ledger / "files/_delta_log", "claims": ledger / "claims"}
    for name, (checkpoint, table) in queries.items():
        folders |= {
            f"{name} offsets": Path(checkpoint, "offsets"),
            f"{name} tasks": Path(table),
            f"{name} log": Path(table, "_delta_log"),
            f"{name} commits": Path(checkpoint, "commits"),
        }
    folders["archive"] = Path(config.ops_location("batches"), "_delta_log")
    return folders


def plan_kills(chance: random.Random, folders: Mapping[str, Path]) -> list[Plan]:
    """Choose the kills of one process: some that its JVM survives, and a last one."""
    survived = [Plan(Victim.WORKER, None, chance.randint(1, 8)) for _ in range(3)]
    places = [name for name in folders if not name.startswith("silver")]
    survived += [_plan(chance, folders, Victim.SOURCE, places) for _ in range(2)]
    kills = chance.sample(survived, chance.randint(0, len(survived)))
    last = chance.choices([Victim.DRIVER, Victim.JVM], [3, 1])[0]
    if chance.random() < 0.1:
        return [*kills, Plan(last, None, 0, chance.uniform(1, 12))]
    return [*kills, _plan(chance, folders, last, list(folders))]


def _plan(
    chance: random.Random,
    folders: Mapping[str, Path],
    victim: Victim,
    names: Sequence[str],
) -> Plan:
    name = chance.choice(names)
    # A run has several batches of bronze, but one append to the ledger, and one end.
    times = chance.randint(1, 3) if name.startswith(("bronze", "claims")) else 1
    pause = chance.uniform(-0.2, 1) * _AFTER_SECONDS
    return Plan(victim, folders[name], times, pause)


def carry_out(
    plan: Plan, run: subprocess.Popen[bytes], prove: Callable[[], str]
) -> str | None:
    """Wait for the moment and kill; return its place, None where the run had ended."""
    if not _wait(plan, run):
        return None
    if plan.victim is Victim.DRIVER:
        kill_session(run.pid)
        return prove()
    chosen = _find(run.pid, plan.victim)
    stop_session(run.pid)
    place = prove()
    for process in chosen:
        os.kill(process, signal.SIGKILL)
    signal_session(run.pid, signal.SIGCONT)
    return place if chosen else None


def _wait(plan: Plan, run: subprocess.Popen[bytes]) -> bool:
    """Wait until the moment has come; false where the run ended before."""
    seen, before = 0, _count(plan.folder)
    while run.poll() is None:
        if plan.victim is Victim.WORKER:
            seen += bool(_find(run.pid, plan.victim))
        else:
            seen = _count(plan.folder) - before
        if seen >= plan.times:
            time.sleep(max(plan.pause, 0))
            return run.poll() is None
        time.sleep(_POLL_SECONDS)
    return False


def _count(folder: Path | None) -> int:
    """Count all files of a folder; of a table, those of its log are not."""
    if folder is None or not folder.is_dir():
        return 0
    return sum(
        len(names)
        for path, _, names in os.walk(folder)
        if folder.name == "_delta_log" or not path.endswith("_delta_log")
    )


def _find(session: int, victim: Victim) -> list[int]:
    """Return the process to kill, if there is one; of a task, one that is at work."""
    states = session_states(session)
    found = [each for each in sorted(states) if MARKS[victim] in _command(each)]
    if victim is Victim.WORKER:
        # The first is the daemon that makes the others.
        found = [each for each in found[1:] if states[each] == "R"]
    return found[:1]


def _command(process: int) -> str:
    try:
        return Path("/proc", str(process), "cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""
