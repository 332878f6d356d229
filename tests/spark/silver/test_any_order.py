"""Orders in any order, in any files and runs, by any kind of window: silver is right.

What is compared is computed without Spark. With ``late_data: repair`` it is a query of
DuckDB over bronze, for windows that are closed; else the late rows of each micro-batch
are left out as its offset log says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.watermark import closed_up_to
from sluice.silver import complete
from sluice.silver.backfill import run_backfill
from sluice.silver.complete import run_complete
from sluice.silver.run import run_silver
from support.any_order import (
    CUTS,
    KILLS,
    MIDNIGHT,
    RUNS,
    TAKEN,
    VERSION,
    Order,
    cut_off,
    cut_off_stream,
    kill_stream,
    put,
)
from support.batch_oracle import batch_silver
from support.delta_rows import read_delta
from support.held_writes import can_hold
from support.oracle import Expected, Key, Values, expected_silver, read_silver
from support.silver_lake import SilverLake
from support.taken_rows import taken_rows

pytestmark = [pytest.mark.usefixtures("spark"), pytest.mark.long]

WINDOWS = st.one_of(
    st.builds(lambda minutes: {"duration": f"{minutes} minutes"}, st.integers(1, 20)),
    st.builds(
        lambda slide, longer: {
            "type": "sliding",
            "slide": f"{slide} minutes",
            "duration": f"{slide + longer} minutes",
        },
        st.integers(1, 7),
        st.integers(0, 15),
    ),
)
SESSIONS = st.integers(1, 20).map(
    lambda minutes: {"type": "session", "gap": f"{minutes} minutes"}
)
COPIES = st.sampled_from([False, ["order_id"]])


@dataclass(frozen=True)
class Run:
    """Versions that come to bronze, and where the run is cut off that takes them in.

    By a number it is a process, which is killed before that write. It is followed by
    one that is not cut off, which ``drains`` what is open then.
    """

    versions: list[list[Order]]
    cut: str | int | None
    drains: bool


@dataclass(frozen=True)
class Case:
    """Runs, how silver is defined, and an interval to be backfilled at the end."""

    runs: list[Run]
    silver: dict[str, object]
    begin: timedelta
    length: timedelta


def minutes(least: int, most: int) -> st.SearchStrategy[timedelta]:
    """Draw a time of some minutes."""
    return st.integers(least, most).map(lambda minutes: timedelta(minutes=minutes))


def runs(cuts: st.SearchStrategy[str | int | None]) -> st.SearchStrategy[list[Run]]:
    """Draw some runs, and what becomes of each."""

    def ways(versions: list[list[list[Order]]]) -> st.SearchStrategy[list[Run]]:
        each = (st.builds(Run, st.just(one), cuts, st.booleans()) for one in versions)
        return st.tuples(*each).map(list)

    return RUNS.flatmap(ways)


def cases(cuts: st.SearchStrategy[str | int | None]) -> st.SearchStrategy[Case]:
    """Draw a case whose runs are cut off so."""
    return st.builds(Case, runs(cuts), SILVERS, minutes(-30, 120), minutes(1, 60))


SILVERS = st.fixed_dictionaries(
    {
        "window": WINDOWS,
        "output_mode": st.sampled_from(["append", "update"]),
        "late_data": st.sampled_from(["count", "quarantine", "repair"]),
        "deduplicate": COPIES,
        "state_store": st.sampled_from(["memory", "rocksdb"]),
        "watermark": st.integers(0, 30).map(lambda minutes: f"{minutes} minutes"),
        "live": st.booleans(),
        **TAKEN,
    }
).map(lambda keys: {**keys, "live": keys["live"] and keys["output_mode"] == "append"})
FEW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FEW
@given(case=cases(CUTS))
def test_silver_equals_a_query_over_bronze(
    tmp_path_factory: pytest.TempPathFactory, case: Case
) -> None:
    """Each run appends some versions to bronze, and silver takes them in."""
    hold(case, SilverLake.at(tmp_path_factory.mktemp("lake"), **case.silver))


@pytest.mark.needs_java
@pytest.mark.skipif(not can_hold(), reason="needs Linux's seccomp notifications")
@settings(FEW, max_examples=3)
@given(case=cases(KILLS))
def test_silver_killed_at_any_write_equals_a_query_over_bronze(
    tmp_path_factory: pytest.TempPathFactory, case: Case
) -> None:
    """The process of a run is killed with its JVM: nothing ends in good order."""
    hold(case, SilverLake.at(tmp_path_factory.mktemp("lake"), **case.silver))


def hold(case: Case, lake: SilverLake) -> None:
    """Hold a lake against what it has to be, after each run of a case."""
    watched = Watched(lake)
    for each in case.runs:
        for rows in each.versions:
            put(lake, rows)
        if isinstance(each.cut, int):
            kill_stream(lake, each.cut, drain=each.drains)
        elif each.cut is not None:
            cut_off_stream(lake, each.cut)
        run_silver(lake.config, lake.silver, run_id="run", drain=each.drains)
        if each.drains:
            watched.drained |= watched.open_windows()
        watched.check()

    start = MIDNIGHT + case.begin
    for _ in range(2):
        run_backfill(
            lake.config, lake.silver, start=start, end=start + case.length, run_id="b"
        )
    watched.backfilled = {
        key: row
        for key, row in watched.closed_windows().items()
        if start <= key[0] < start + case.length
    }
    watched.check()
    run_silver(lake.config, lake.silver, run_id="drain", drain=True)
    watched.drained = watched.open_windows()
    watched.check()


@dataclass
class Watched:
    """A lake, with what was computed from bronze beside its stream."""

    lake: SilverLake
    drained: dict[Key, Values] = field(default_factory=dict)
    """Open windows as they came out; those that are closed since do not count."""
    backfilled: dict[Key, Values] = field(default_factory=dict)

    def check(self) -> None:
        """Hold tables and counts against what they have to be."""
        seen, lake = self.seen(), self.lake
        assert read_silver(lake.silver_location) == self.expected(seen)
        late = self.count("late_rows")
        assert late == seen.late_rows
        assert self.count("null_event_time_rows", "future_rows") == seen.null_rows
        if lake.silver.late_data == "quarantine" and late:
            aside = lake.config.late_location(lake.silver)
            assert read_delta(aside).num_rows == late
        if lake.silver.live:
            beside = lake.config.live_location(lake.silver)
            assert read_silver(beside) == self.open_windows()

    def count(self, *names: str) -> int:
        """Add up counts of all micro-batches."""
        rows = self.lake.archived_batches()
        return sum(int(str(row[name])) for row in rows for name in names)

    def seen(self) -> Expected:
        """Return what the stream makes of its micro-batches."""
        grid = self.lake.silver.window.grid
        return expected_silver(
            self.lake.bronze_location,
            self.lake.checkpoint,
            window=grid.duration,
            slide=grid.slide,
            once=bool(self.lake.silver.deduplicate),
            take=partial(taken_rows, silver=self.lake.silver),
        )

    def expected(self, seen: Expected) -> dict[Key, Values]:
        """Return what the table must hold now."""
        repairs = self.lake.silver.late_data == "repair"
        closed = self.closed_windows() if repairs else seen.windows
        still_open = {k: row for k, row in self.drained.items() if not self._is_in(k)}
        if self.lake.silver.output_mode == "update":
            still_open |= seen.open_windows
        return still_open | closed | self.backfilled

    def closed_windows(self) -> dict[Key, Values]:
        """Return the windows of bronze that are closed."""
        everything = batch_silver(self.lake)
        return {key: row for key, row in everything.items() if self._is_in(key)}

    def open_windows(self) -> dict[Key, Values]:
        """Return the windows of bronze that are not closed."""
        everything = batch_silver(self.lake)
        return {key: row for key, row in everything.items() if not self._is_in(key)}

    def _is_in(self, key: Key) -> bool:
        return key[1] <= closed_up_to(read_checkpoint(self.lake.checkpoint))


WHOLE = st.fixed_dictionaries(
    {"window": st.one_of(WINDOWS, SESSIONS), "deduplicate": COPIES, **TAKEN}
)
STEPS = st.sampled_from([None, "_write", "archive_violations"])


@settings(FEW, max_examples=15)
@given(runs=st.lists(st.tuples(VERSION, STEPS), min_size=2, max_size=5), silver=WHOLE)
def test_tables_computed_whole_equal_a_query_over_bronze(
    tmp_path_factory: pytest.TempPathFactory,
    runs: list[tuple[list[Order], str | None]],
    silver: dict[str, object],
) -> None:
    """Sessions as well; a run is cut off before or behind its commit."""
    folder = tmp_path_factory.mktemp("lake")
    lake = SilverLake.at(folder, output_mode="complete", **silver)
    for rows, step in runs:
        put(lake, rows)
        if step is not None:
            with cut_off(complete, step):
                run_complete(lake.config, lake.silver, run_id="killed")
        run_complete(lake.config, lake.silver, run_id="run")
        assert read_silver(lake.silver_location) == batch_silver(lake)
