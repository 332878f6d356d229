"""A driver that is killed around the commits of tables that a run computes.

These are the open windows of ``live: true`` and what ``output_mode: complete`` computes
whole, of bronze and of silver. The next run is one of this process, without its start.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from sluice.audit.run import run_audit
from sluice.history.violations import list_violations
from sluice.run import run_pipeline
from support.delta_rows import read_delta
from support.held_writes import HeldRun, can_hold
from support.killing import newest
from support.lakes import SCHEMA, Lake
from support.oracle import EPOCH, event_time

pytestmark = [
    pytest.mark.needs_java,
    pytest.mark.usefixtures("spark"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(not can_hold(), reason="needs Linux's seccomp notifications"),
]

WINDOWS = {
    "name": "windows",
    "event_time": {"column": "order_date"},
    "group_by": ["payment_method"],
    "aggregates": {"order_count": "count(*)"},
}
WHOLE = {**WINDOWS, "name": "whole", "output_mode": "complete"}
HOURS = {
    "name": "hours",
    "from": "windows",
    "event_time": {"column": "window_start"},
    "window": {"duration": "1 hour"},
    "aggregates": {"order_count": "sum(order_count)"},
    "output_mode": "complete",
}
RULE = {"several": {"expect": "order_count > 1"}}
SILVER = [{**WINDOWS, "live": True}, {**WHOLE, "expectations": RULE}, HOURS]
# In the order in which a run commits to them.
TABLES = ("windows_live", "whole", "hours")
Window = tuple[object, str | None]


class ComputedLake(Lake):
    """A pipeline with tables of each kind that a run computes."""

    def __init__(self, folder: Path) -> None:
        """Write the pipeline file."""
        bronze = {"source": {"schema": SCHEMA}}
        raw = {"name": "orders", "lake": str(folder / "lake"), "bronze": bronze}
        (folder / "orders.yaml").write_text(json.dumps({**raw, "silver": SILVER}))
        super().__init__(folder)

    def table(self, name: str) -> Path:
        """Return where a table is."""
        (windows, *_) = self.config.silver
        return Path(self.config.silver_location(windows)).with_name(f"orders_{name}")

    def versions(self) -> list[int]:
        """Return the newest version of each of ``TABLES``, -1 where there is none."""
        logs = [self.table(name) / "_delta_log" for name in TABLES]
        return [newest(log) if log.exists() else -1 for log in logs]

    def run(self) -> None:
        """Run bronze and silver in this process."""
        run_pipeline(self.config, run_id="next", steps=["bronze", "silver"])

    def rows(self, name: str) -> dict[Window, int]:
        """Return the counts of a table, each window once."""
        rows = read_delta(self.table(name)).to_pylist()
        found = {
            (row["window_start"], row.get("payment_method")): row["order_count"]
            for row in rows
        }
        assert len(found) == len(rows)
        return found

    def expected(self) -> dict[str, dict[Window, int]]:
        """Return what each table is to have of all that has landed."""
        whole = Counter(
            (floor(each["order_date"], minutes=5), each["payment_method"])
            for _, each in self.landed()
        )
        final = dict(self.closed_windows())
        hours: Counter[Window] = Counter()
        for (start, _), count in final.items():
            hours[floor(f"{start:%Y-%m-%d %H:%M:%S}", minutes=60), None] += count
        still_open = {key: each for key, each in whole.items() if key not in final}
        computed = {"windows_live": still_open, "whole": whole, "hours": hours}
        return {"windows": final, **computed}

    def check(self) -> None:
        """Hold tables, counts of the rule and audit against what has landed."""
        expected = self.expected()
        assert {name: self.rows(name) for name in expected} == expected
        assert run_audit(self.config, run_id="audit").findings == ()


def floor(text: str, *, minutes: int) -> object:
    """Return the begin of the window in which an order is."""
    moment = event_time(text)
    assert moment is not None
    return moment - (moment - EPOCH) % timedelta(minutes=minutes)


def moments() -> list[object]:
    """Return each side of each commit; one is cheap enough for every run of CI."""
    return [
        pytest.param(
            name,
            is_behind,
            version,
            id=f"{'behind' if is_behind else 'before'} {name} {version}",
            marks=[] if (name, is_behind, version) == CHEAP else [pytest.mark.long],
        )
        for name in TABLES
        for is_behind in (False, True)
        for version in (0, 1)
    ]


# Behind it the one before has been computed, and the next one has not.
CHEAP = ("whole", True, 0)


@pytest.mark.parametrize(("name", "is_behind", "version"), moments())
def test_run_killed_around_a_commit_is_made_good_by_the_next(
    tmp_path: Path, name: str, version: int, *, is_behind: bool
) -> None:
    """With nothing new it computes what is missing, and writes no table twice."""
    lake = ComputedLake(tmp_path)
    violations = 0
    for _ in range(version):
        lake.land(3)
        lake.run()
        violations += count_single(lake)
    lake.land(3)
    kill_around_commit(lake, name, version=version, is_behind=is_behind)
    done = TABLES.index(name) + is_behind
    assert lake.versions() == [version - (table >= done) for table in range(3)]

    lake.run()
    assert lake.versions() == [version] * 3
    lake.check()
    violations += count_single(lake)
    assert sum(row["rows"] for row in list_violations(lake.config)) == violations

    lake.land(1)
    lake.run()
    assert lake.versions() == [version + 1] * 3
    lake.check()


def count_single(lake: ComputedLake) -> int:
    """Return how many windows violate the rule when they are computed whole."""
    return sum(count == 1 for count in lake.expected()["whole"].values())


def kill_around_commit(
    lake: ComputedLake, name: str, *, version: int, is_behind: bool
) -> None:
    """Run and kill before the commit of a table gets its name, or right behind that."""
    commit = lake.table(name) / "_delta_log" / f"{version:020}.json"
    with HeldRun.start(lake.command(), lake.folder) as run:
        for write in run.writes():
            if write.path == commit and not write.creates:
                if is_behind:
                    run.finish(write)
                run.kill()
                return
    pytest.fail("the run ended by itself")
