"""What silver must hold, computed without Spark, our transformation or our archive.

From the disk alone: bronze's rows by version, and of every silver micro-batch the
offset log, which says what it read and by which watermark it dropped late rows.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from support.delta_rows import read_delta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVENT_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_COLUMNS = [
    "order_id",
    "order_date",
    "total_amount",
    "payment_method",
    "_processing_time",
]

Take = Callable[[pa.Table], pa.Table]
"""Chooses rows of bronze, and writes their event times in one format."""
Key = tuple[datetime, datetime, str | None]
Values = tuple[int, float | None, float | None]


def take_all(rows: pa.Table) -> pa.Table:
    """Return the rows as they are."""
    return rows


@dataclass
class Expected:
    """Silver's windows as (count, revenue, average), and where all other rows are."""

    windows: dict[Key, Values] = field(default_factory=dict)
    open_windows: dict[Key, Values] = field(default_factory=dict)
    late_by_batch: dict[int, int] = field(default_factory=dict)
    null_rows: int = 0
    rows: int = 0

    @property
    def late_rows(self) -> int:
        """Rows that some batch dropped."""
        return sum(self.late_by_batch.values())


FIVE_MINUTES = timedelta(minutes=5)


class Groups:
    """The amounts of each window and group; with ``once`` a copy of a row is left out.

    A copy has the key, ``order_id``, and the event time of a row of its window.
    """

    def __init__(self, *, once: bool) -> None:
        self._once = once
        self._amounts: defaultdict[Key, list[float | None]] = defaultdict(list)
        self._seen: set[tuple[datetime, str, str]] = set()

    def add(self, key: Key, row: dict) -> None:
        """Take a row into one of its windows."""
        order_id = row.get("order_id")
        seen = key[0], order_id, row["order_date"]
        if self._once and order_id is not None:
            if seen in self._seen:
                return
            self._seen.add(seen)
        self._amounts[key].append(row["total_amount"])

    def windows(self) -> dict[Key, Values]:
        """Return count, sum and average of each."""
        return {key: summarize(each) for key, each in self._amounts.items()}


def expected_silver(
    bronze: str,
    checkpoint: str,
    *,
    window: timedelta = FIVE_MINUTES,
    slide: timedelta | None = None,
    once: bool = False,
    take: Take = take_all,
) -> Expected:
    """Replay the committed batches of ``checkpoint`` over the rows of ``bronze``.

    Understands a bronze of appends only, and a checkpoint that still has all batches.
    A row is late that is missing in one of its windows.
    """
    found, groups = Expected(), Groups(once=once)
    late_watermark = EPOCH
    for batch in committed_batches(checkpoint):
        late = 0
        for version in batch.versions:
            for row in version_rows(bronze, version, take):
                found.rows += 1
                keys = window_keys(row, window, slide)
                found.null_rows += not keys
                open_keys = [key for key in keys if key[1] > batch.late_watermark]
                late += len(open_keys) < len(keys)
                for key in open_keys:
                    groups.add(key, row)
        found.late_by_batch[batch.number] = late
        late_watermark = batch.watermark
    for key, values in groups.windows().items():
        emitted = key[1] <= late_watermark
        target = found.windows if emitted else found.open_windows
        target[key] = values
    return found


@dataclass(frozen=True)
class Batch:
    """A committed micro-batch: the versions it read, and its watermarks."""

    number: int
    versions: range
    late_watermark: datetime
    watermark: datetime


def committed_batches(checkpoint: str) -> list[Batch]:
    """Return the committed batches of ``checkpoint``, which must have them all."""
    offsets = read_offset_log(checkpoint)
    found, read_from, late_watermark = [], 0, EPOCH
    for number in sorted(int(name) for name in _numbered(checkpoint, "commits")):
        read_to, watermark = offsets[number]
        versions = range(read_from, read_to)
        found.append(Batch(number, versions, late_watermark, watermark))
        read_from, late_watermark = read_to, watermark
    return found


def all_windows(
    bronze: str, *, window: timedelta = FIVE_MINUTES, slide: timedelta | None = None
) -> dict[Key, Values]:
    """Return every window of all rows of ``bronze``, as if none had been late."""
    groups = Groups(once=False)
    for version in range(DeltaTable(bronze).version() + 1):
        for row in version_rows(bronze, version):
            for key in window_keys(row, window, slide):
                groups.add(key, row)
    return groups.windows()


def snapshot_windows(
    bronze: str,
    *,
    window: timedelta = FIVE_MINUTES,
    slide: timedelta | None = None,
    once: bool = False,
) -> dict[Key, Values]:
    """Return every window of the rows that ``bronze`` has now."""
    groups = Groups(once=once)
    for row in read_delta(bronze).to_pylist():
        for key in window_keys(row, window, slide):
            groups.add(key, row)
    return groups.windows()


def read_silver(location: str) -> dict[Key, Values]:
    """Return the rows of a silver table by window and group; none may come twice."""
    rows = read_delta(location).to_pylist()
    windows = {
        (row["window_start"], row["window_end"], row["payment_method"]): (
            row["order_count"],
            row["total_revenue"],
            row["avg_order_value"],
        )
        for row in rows
    }
    assert len(windows) == len(rows), "a window was emitted twice"
    return windows


def closed_windows(
    orders: Sequence[Mapping[str, str]],
) -> list[tuple[tuple[datetime, str], int]]:
    """Return the orders of each five minutes that have ended for the watermark.

    It is ten minutes behind the newest order, and none came late.
    """
    times = [datetime.fromisoformat(f"{each['order_date']}Z") for each in orders]
    watermark = max(times) - timedelta(minutes=10)
    size = timedelta(minutes=5)
    windows = Counter(
        (time - (time - EPOCH) % size, each["payment_method"])
        for time, each in zip(times, orders, strict=True)
    )
    return sorted(each for each in windows.items() if each[0][0] + size <= watermark)


def read_offset_log(checkpoint: str) -> dict[int, tuple[int, datetime]]:
    """Return of each batch the bronze version it read up to, and its watermark."""
    found = {}
    for name in _numbered(checkpoint, "offsets"):
        lines = Path(checkpoint, "offsets", name).read_text().splitlines()
        watermark_ms = json.loads(lines[1])["batchWatermarkMs"]
        version = json.loads(lines[2])["reservoirVersion"]
        found[int(name)] = version, EPOCH + timedelta(milliseconds=watermark_ms)
    return found


def version_rows(location: str, version: int, take: Take = take_all) -> list[dict]:
    """Return the rows that one version of a table added, those that are taken."""
    log = Path(location, "_delta_log", f"{version:020d}.json").read_text()
    actions = [json.loads(line) for line in log.splitlines()]
    assert not any("remove" in action for action in actions), "expected appends only"
    paths = [unquote(action["add"]["path"]) for action in actions if "add" in action]
    files = [pq.ParquetFile(Path(location, path)) for path in paths]
    tables = [take(file.read(columns=_COLUMNS)) for file in files]
    return [row for table in tables for row in table.to_pylist()]


def window_keys(row: dict, window: timedelta, slide: timedelta | None) -> list[Key]:
    """Return the windows and group of a row, none where it has no event time."""
    moment = event_time(row["order_date"])
    if moment is None:
        return []
    step = slide or window
    start = EPOCH + (moment - EPOCH) // step * step
    keys = []
    while start + window > moment:
        keys.append((start, start + window, row["payment_method"]))
        start -= step
    return keys


def event_time(text: str | None) -> datetime | None:
    """Return the moment that an ``order_date`` names."""
    if text is None or not _EVENT_TIME.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def summarize(amounts: list[float | None]) -> Values:
    """Return count, sum and average as SQL has them: nulls count as rows only."""
    known = [amount for amount in amounts if amount is not None]
    if not known:
        return len(amounts), None, None
    return len(amounts), sum(known), sum(known) / len(known)


def _numbered(checkpoint: str, log: str) -> list[str]:
    """Return the batch files of one of a checkpoint's logs."""
    folder = Path(checkpoint, log)
    return [path.name for path in folder.iterdir() if path.name.isdigit()]
