"""Silver after a replay: each window is what bronze gives, once it is closed.

In all of these the watermark is ten minutes behind the newest order. The oracle is
bronze itself as it is at the end, for nothing here comes late but what is replayed.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from sluice.audit import run_audit
from sluice.bronze.run import run_bronze
from sluice.config import PipelineConfig
from sluice.errors import RetryableError
from sluice.ledger.events import EventKind, Replayed
from sluice.ledger.ledger import Ledger
from sluice.preflight.run import preflight
from sluice.replay import run as replay_run
from sluice.replay.result import ReplayResult
from sluice.replay.run import run_replay
from sluice.replay.select import Selection
from sluice.silver.run import run_silver
from support.delta_rows import read_delta
from support.oracle import read_silver, snapshot_windows
from support.silver_lake import SILVER

pytestmark = [pytest.mark.needs_java, pytest.mark.usefixtures("spark")]

DDL = "order_id string, order_date string, total_amount double, payment_method string"


@dataclass(frozen=True)
class Lake:
    """A pipeline ``orders`` from landing folder to silver."""

    config: PipelineConfig

    def land(self, name: str, *times: str, amount: float = 1.0) -> Path:
        """Land a file of one order for each HH:MM."""
        path = Path(self.config.landing_location, name)
        lines = [
            json.dumps(
                {
                    "order_id": f"{name}-{number}",
                    "order_date": f"2026-01-01 {time}:00",
                    "total_amount": amount,
                    "payment_method": "card",
                }
            )
            for number, time in enumerate(times)
        ]
        content = "\n".join(lines).encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    def run(self) -> None:
        """Run bronze and silver."""
        run_bronze(self.config, run_id="run")
        self.run_silver()

    def run_silver(self) -> None:
        """Run silver."""
        for silver in self.config.silver:
            run_silver(self.config, silver, run_id="run")

    def replay(self, glob: str) -> ReplayResult:
        """Replay the files that a glob means."""
        return run_replay(self.config, Selection(globs=(glob,)), run_id="replay")

    def windows(self) -> dict:
        """Return the windows of silver."""
        return read_silver(self.config.silver_location(self.config.silver[0]))

    def truth(self, *, before: str) -> dict:
        """Return the windows of bronze as it is now that end at or before a time."""
        until = datetime.fromisoformat(f"2026-01-01T{before}:00Z")
        windows = snapshot_windows(self.config.bronze_location)
        return {key: windows[key] for key in windows if key[1] <= until}

    def replayed_versions(self) -> list[int]:
        """Return the table versions that the ledger's events of replays name."""
        ledger = Ledger.open(self.config.schema_location)
        assert ledger is not None
        events = ledger.events(EventKind.REPLAYED)
        return [Replayed.of(each.detail).table_version for each in events]

    def left_to_do(self) -> list[Path]:
        """Return the records of replays that are not over."""
        return list(Path(self.config.schema_location).glob("_replays/**/*.json"))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a lake in which nothing has landed."""
    config = lake_config(tmp_path, silver=[SILVER])
    Path(config.landing_location).mkdir(parents=True)
    return Lake(config)


def lake_config(lake: Path, **keys: object) -> PipelineConfig:
    """Return the configuration of the pipeline."""
    bronze = {"source": {"schema": DDL}}
    content = {"name": "orders", "lake": str(lake), "bronze": bronze}
    return PipelineConfig.model_validate(content | keys)


def test_windows_closed_and_open_and_to_come_are_recomputed(lake: Lake) -> None:
    """Rows that move leave and enter all three kinds.

    00:00     00:05     00:10  …  00:30     00:35     00:40  …  01:00
    |---------|---------|---------|---------|---------|---------|
    a: 00:01 (closed) and 00:30 (open) become 00:06 (closed) and 00:36 (no row yet)
    """
    lake.land("a.json", "00:01", "00:30")
    lake.land("b.json", "00:02", "00:07", "00:31")
    lake.run()
    assert lake.windows() == lake.truth(before="00:20")
    lake.land("a.json", "00:06", "00:36", amount=3.0)

    result = lake.replay("a.json")

    assert lake.windows() == lake.truth(before="00:20")
    assert (result.windows[0].windows, result.windows[0].windows_open) == (4, 2)
    lake.land("c.json", "01:00")
    lake.run()
    assert lake.windows() == lake.truth(before="00:50")
    assert len(lake.windows()) == 4
    assert lake.left_to_do() == []


@pytest.mark.long
def test_windows_are_counted_the_same_before_and_after(lake: Lake) -> None:
    """A window of two groups is one window, and two rows of the table."""
    path = lake.land("a.json", "00:01", "00:02", "00:30")
    path.write_text(path.read_text().replace("card", "cash", 1))
    lake.run()

    result = lake.replay("a.json")

    (table,) = result.windows
    assert (table.windows, table.windows_open) == (2, 1)
    assert result.notes == (f"replay: 1 windows of {table.table!r} recomputed, 2 rows",)


@pytest.mark.long
def test_a_file_from_quarantine_comes_in_by_the_stream_and_by_bronze(
    lake: Lake,
) -> None:
    """A commit that only adds is read by the stream, which drops what is late in it."""
    path = lake.land("a.json.gz", "00:01", "00:31", amount=5.0)
    whole = path.read_bytes()
    path.write_bytes(whole[:-12])
    lake.land("b.json", "00:02", "00:30")
    lake.run()
    path.write_bytes(whole)
    lake.replay("a.json.gz")
    assert lake.windows() == lake.truth(before="00:20")

    lake.land("c.json", "01:00")
    lake.run()

    assert lake.windows() == lake.truth(before="00:50")
    assert len(lake.windows()) == 2


@pytest.mark.long
def test_rows_that_silver_has_not_read_yet_count_once(lake: Lake) -> None:
    """The stream still reads the old rows from the log; bronze has the last word."""
    lake.land("a.json", "00:01", "00:30")
    lake.run()
    lake.land("b.json", "00:25", "00:31", "00:50")
    run_bronze(lake.config, run_id="bronze alone")
    lake.land("b.json", "00:26", "00:50", amount=2.0)
    lake.replay("b.json")

    lake.land("c.json", "01:30")
    lake.run()

    assert lake.windows() == lake.truth(before="01:20")
    assert len(lake.windows()) == 4


@pytest.mark.long
def test_a_kill_after_the_commit_is_mended_by_the_next_run(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing landed since: the ledger has it, and closed windows are new."""
    lake.land("a.json", "00:01", "00:30")
    lake.run()
    lake.land("a.json", "00:06", "00:31")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(replay_run, "_follow", killed)
    with pytest.raises(KeyboardInterrupt):
        lake.replay("a.json")
    assert lake.replayed_versions() == []
    assert preflight(lake.config, run_id="looked").silver_has_work

    lake.run_silver()

    assert lake.replayed_versions() == [1]
    assert lake.windows() == lake.truth(before="00:20")
    assert not preflight(lake.config, run_id="looked").has_work


@pytest.mark.long
def test_beside_the_runs_nothing_is_lost(lake: Lake) -> None:
    """Replays and runs at once, again and again: rows once, and silver as bronze."""
    for number in range(2):
        lake.land(f"a{number}.json", f"00:0{number}", "00:30")
    lake.run()
    failed: list[BaseException] = []

    def run_on() -> None:
        try:
            for number in range(3):
                lake.land(f"b{number}.json", f"01:{number}0", f"01:{number}5")
                retried(lake.run)
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            failed.append(error)

    runs = threading.Thread(target=run_on)
    runs.start()
    rounds = 0
    while runs.is_alive() or rounds < 2:
        rounds += 1
        for number in range(2):
            lake.land(f"a{number}.json", "00:01", "00:31", amount=float(rounds))
        retried(lambda: lake.replay("a*.json"))
    runs.join()
    lake.land("c.json", "03:00")
    lake.run()

    assert failed == []
    amounts = Counter(
        (Path(row["_source_file"]).name, row["total_amount"])
        for row in read_delta(lake.config.bronze_location).to_pylist()
    )
    assert amounts == Counter(
        {(f"a{number}.json", float(rounds)): 2 for number in range(2)}
        | {(f"b{number}.json", 1.0): 2 for number in range(3)}
        | {("c.json", 1.0): 1}
    )
    assert lake.windows() == lake.truth(before="02:50")
    assert run_audit(lake.config).verdict == "ok"


def retried(call: Callable[[], object]) -> None:
    """Call again after exit code 75, as Airflow does."""
    for _ in range(5):
        try:
            call()
        except RetryableError:
            continue
        return
    pytest.fail("refused five times in a row")
