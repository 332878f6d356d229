"""Runs that are killed while files land, then runs that are not, then the count."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from sluice.config import PipelineConfig, load_pipeline
from soak.count import Verdict, check_all, check_so_far
from soak.kills import Victim, carry_out, plan_kills, watched_folders
from soak.landing import Landing
from soak.places import name_place, read_progress
from support.killing import DEADLINE, kill_session, start

PIPELINE = """\
name: orders
lake: {lake}
bronze:
  source:
    schema: >-
      order_id string, order_date string, total_amount double, payment_method string
    options: {{sluice.minPartitions: 2}}
silver:
  - name: windows
    event_time: {{column: order_date}}
    group_by: [payment_method]
    aggregates:
      order_count: count(*)
      total_revenue: sum(total_amount)
      avg_order_value: avg(total_amount)
"""
RUN = Path(__file__).with_name("hourly_run.py")
FILES_BETWEEN_KILLS = 6
LANDING_PAUSE = 0.7
DRAIN_RUNS = 10
DONE, TRY_AGAIN, NOTHING_NEW = 0, 75, 99


@dataclass(frozen=True)
class Limits:
    """When a soak ends: after so many kills or so long, whichever comes first."""

    kills: int
    seconds: float


@dataclass
class Soak:
    """A soak on the way: its pipeline and what was done to it."""

    folder: Path
    chance: random.Random
    runs: int = 0
    kills: Counter[tuple[str, Victim]] = field(default_factory=Counter)
    codes: Counter[tuple[str, int]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Write the pipeline file."""
        self.file = self.folder / "orders.yaml"
        self.file.write_text(PIPELINE.format(lake=self.folder / "lake"))
        self.config: PipelineConfig = load_pipeline(str(self.file))
        self.landing = Path(self.config.landing_location)
        self.landing.mkdir(parents=True)
        (self.folder / "runs").mkdir()

    def run_killed(self, landing: Landing) -> None:
        """Run the pipeline and kill in it: parts that it survives, and at last all."""
        began = time.time()
        before = read_progress(self.config, since=began)
        victims: list[Victim] = []
        run = self._start()
        try:
            for plan in plan_kills(self.chance, watched_folders(self.config)):
                landing.asked += FILES_BETWEEN_KILLS
                place = carry_out(
                    plan,
                    run,
                    lambda: name_place(before, read_progress(self.config, since=began)),
                )
                if place:
                    victims.append(plan.victim)
                    self.kills[place, plan.victim] += 1
            code = run.wait(timeout=DEADLINE)
        finally:
            kill_session(run.pid)
        self._note(victims, code)

    def drain(self) -> None:
        """Run without kills until nothing is new.

        Raises:
            SoakFailedError: a run fails, or there is always something new.
        """
        for _ in range(DRAIN_RUNS):
            code = self._start().wait(timeout=DEADLINE)
            self._note([], code)
            if code == NOTHING_NEW:
                return
        raise SoakFailedError(f"{DRAIN_RUNS} runs did not come to an end")

    def _start(self) -> subprocess.Popen[bytes]:
        self.runs += 1
        command = [sys.executable, str(RUN), str(self.file), f"soak-{self.runs}"]
        return start(command, log=_log(self.folder, self.runs))

    def _note(self, victims: list[Victim], code: int) -> None:
        """Print one line about a run that ended."""
        last = victims[-1] if victims else "none"
        self.codes[last, code] += 1
        killed = ", ".join(victims) or "none"
        verdict = check_so_far(self.config)
        print(
            f"run {self.runs}: killed {killed}; exit code {code}; "
            f"{self.kills.total()} kills; in the table: {verdict.facts}",
            flush=True,
        )
        if verdict.faults:
            raise SoakFailedError("\n".join(verdict.faults))
        if not victims and code not in {DONE, TRY_AGAIN, NOTHING_NEW}:
            log = _log(self.folder, self.runs)
            raise SoakFailedError(f"a run failed without a kill, see {log}")


class SoakFailedError(Exception):
    """Rows are lost or doubled, or a run failed for no fault of ours."""


def soak(folder: Path, seed: int, limits: Limits) -> int:
    """Kill runs until a limit is reached, then drain and count; return an exit code."""
    print(
        f"soak: seed {seed}, {limits.kills} kills or {limits.seconds:.0f} s", flush=True
    )
    going = Soak(folder, random.Random(seed))
    try:
        _kill(going, seed, limits)
        going.drain()
        verdict = check_all(going.config)
    except SoakFailedError as error:
        verdict = Verdict((str(error),), "nothing, for it failed on the way")
    report(going, verdict)
    return 1 if verdict.faults else 0


def _kill(going: Soak, seed: int, limits: Limits) -> None:
    until = time.monotonic() + limits.seconds
    with Landing(going.landing, seed, pause=LANDING_PAUSE) as landing:
        while going.kills.total() < limits.kills and time.monotonic() < until:
            going.run_killed(landing)


def report(done: Soak, verdict: Verdict) -> None:
    """Print the kills by place, the exit codes and the count."""
    print(f"soak: {done.kills.total()} kills in {done.runs} runs")
    for (place, victim), count in sorted(done.kills.items()):
        print(f"  {count:4d}  {place:45} {victim}")
    for (last, code), count in sorted(done.codes.items()):
        print(f"  {count:4d}  exit code {code} after killing: {last}")
    print(f"soak: counted {verdict.facts}")
    for fault in verdict.faults:
        print(f"  FAULT {fault}")
    print("soak: FAILED" if verdict.faults else "soak: every row once", flush=True)


def _log(folder: Path, run: int) -> Path:
    return folder / "runs" / f"{run:04d}.log"
