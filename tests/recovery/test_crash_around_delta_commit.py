"""A driver that is killed: no row lost and none twice, whichever side it fell on."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from delta_rows import read_delta
from killing import Aim, Query, Side, kill_job, run_job
from sluice.config import PipelineConfig, load_pipeline

pytestmark = [pytest.mark.needs_java, pytest.mark.timeout(900)]

START = datetime(2026, 1, 1, tzinfo=UTC)
ATTEMPTS = 4
PIPELINE = """\
name: orders
lake: {lake}
bronze:
  source: {{schema: "order_id string, order_date string, payment_method string"}}
silver:
  - name: windows
    event_time: {{column: order_date}}
    group_by: [payment_method]
    aggregates: {{order_count: count(*)}}
"""


class Lake:
    """A pipeline in a folder of its own; its files land in order of their times."""

    def __init__(self, folder: Path) -> None:
        """Write the pipeline file."""
        self.file = folder / "orders.yaml"
        self.file.write_text(PIPELINE.format(lake=folder / "lake"))
        self.config: PipelineConfig = load_pipeline(str(self.file))
        self.landing = Path(self.config.landing_location)
        self.landing.mkdir(parents=True)

    def land(self, files: int) -> None:
        """Land some files more, each of 7 rows over 14 minutes."""
        landed = len(list(self.landing.iterdir()))
        for number in range(landed, landed + files):
            lines = [json.dumps(order(number, row)) for row in range(7)]
            (self.landing / f"{number:03d}.json").write_text("\n".join(lines))

    def arguments(self, run_id: str) -> list[str]:
        """Return the arguments of a job."""
        return ["--pipeline", str(self.file), "--run-id", run_id]

    @property
    def bronze(self) -> Query:
        """Where bronze writes."""
        config = self.config
        return Query(
            Path(config.bronze_checkpoint_location), Path(config.bronze_location)
        )

    @property
    def silver(self) -> Query:
        """Where silver writes."""
        (windows,) = self.config.silver
        return Query(
            Path(self.config.silver_checkpoint_location(windows)),
            Path(self.config.silver_location(windows)),
        )

    def landed_rows(self) -> Counter[tuple[str, str]]:
        """Return file and order id of each landed line, read by nothing of ours."""
        return Counter(
            (str(path), json.loads(line)["order_id"])
            for path in self.landing.iterdir()
            for line in path.read_text().splitlines()
        )

    def bronze_rows(self) -> Counter[tuple[str, str]]:
        """Return file and order id of each row of the table, read by delta-rs."""
        rows = read_delta(self.bronze.table).to_pylist()
        return Counter((row["_source_file"], row["order_id"]) for row in rows)

    def closed_windows(self) -> Counter[tuple[datetime, str]]:
        """Return the orders of each window that the last watermark has closed."""
        orders = [
            json.loads(line)
            for path in self.landing.iterdir()
            for line in path.read_text().splitlines()
        ]
        times = [datetime.fromisoformat(f"{each['order_date']}Z") for each in orders]
        watermark = max(times) - timedelta(minutes=10)
        windows = Counter(
            (time - (time - START) % timedelta(minutes=5), each["payment_method"])
            for time, each in zip(times, orders, strict=True)
        )
        return Counter(
            {
                window: count
                for window, count in windows.items()
                if window[0] + timedelta(minutes=5) <= watermark
            }
        )

    def silver_windows(self) -> list[tuple[tuple[datetime, str], int]]:
        """Return the rows of the silver table, read by delta-rs."""
        rows = read_delta(self.silver.table).to_pylist()
        return sorted(
            ((row["window_start"], row["payment_method"]), row["order_count"])
            for row in rows
        )


def order(number: int, row: int) -> dict[str, str]:
    """Return an order, later than all orders of the files before."""
    time = START + timedelta(minutes=14 * number + 2 * row)
    return {
        "order_id": f"{number}-{row}",
        "order_date": f"{time:%Y-%m-%d %H:%M:%S}",
        "payment_method": ("card", "cash")[row % 2],
    }


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a pipeline with nothing landed yet."""
    return Lake(tmp_path)


@pytest.mark.parametrize("side", Side)
def test_bronze_killed_around_its_commit_writes_every_row_once(
    lake: Lake, side: Side
) -> None:
    """The restart repeats the batch with its files, and Delta skips what it has."""
    for attempt in range(ATTEMPTS):
        lake.land(6)
        arguments = [*lake.arguments(f"killed-{attempt}"), "--max-files", "1"]
        batch = kill_job(Aim(side, lake.bronze, least=2), "bronze.py", *arguments)
        if batch is not None:
            break
    assert batch is not None, f"in {ATTEMPTS} runs no batch was caught {side}"
    assert lake.bronze.cut_off() == (batch, side)

    lake.land(1)
    assert run_job("bronze.py", *lake.arguments("restarted")) == 0

    assert lake.bronze.cut_off() is None
    assert lake.bronze_rows() == lake.landed_rows()
    assert run_job("bronze.py", *lake.arguments("again")) == 99


@pytest.mark.parametrize("side", Side)
def test_silver_killed_around_its_commit_emits_every_window_once(
    lake: Lake, side: Side
) -> None:
    """The state is that of the last committed batch, and no window comes twice."""
    for attempt in range(ATTEMPTS):
        lake.land(3)
        arguments = lake.arguments(f"killed-{attempt}")
        assert run_job("bronze.py", *arguments) == 0
        batch = kill_job(Aim(side, lake.silver), "silver.py", *arguments)
        if batch is not None:
            break
    assert batch is not None, f"in {ATTEMPTS} runs no batch was caught {side}"
    assert lake.silver.cut_off() == (batch, side)

    lake.land(1)
    for job in ("bronze.py", "silver.py"):
        assert run_job(job, *lake.arguments("restarted")) == 0

    assert lake.silver.cut_off() is None
    assert lake.silver_windows() == sorted(lake.closed_windows().items())
