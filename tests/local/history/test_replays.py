"""What is left to do of a replay, over a real ledger and a real table."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from sluice.errors import Condition, FatalError
from sluice.history.replays import (
    LATE_ROWS,
    FileRows,
    ReplayedFiles,
    TouchedWindows,
    abandon_replay,
    begin_replay,
    commit_metadata,
    finish_replays,
    has_closed,
    has_sessions,
    keep_touched,
    list_touched,
    rows_set_aside,
    sweep_set_aside,
)
from sluice.intervals import Interval, WindowGrid
from sluice.ledger.events import EventKind, Replayed
from sluice.preflight.run import preflight
from support.builders import PipelineBuilder, pipeline_config

MINUTE = timedelta(minutes=1)
GRID = WindowGrid(5 * MINUTE, 5 * MINUTE)
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def pipeline(tmp_path) -> PipelineBuilder:
    """Return a pipeline with one file in its table and a silver table."""
    builder = PipelineBuilder(pipeline_config(tmp_path, silver=True))
    builder.land("a.json")
    builder.run_batch()
    return builder


def a_replay(pipeline: PipelineBuilder, **values: object) -> ReplayedFiles:
    """Return a replay of the file."""
    (file,) = pipeline.ledger.files()
    given = {
        "replay_id": "r-1",
        "run_id": "run-1",
        "at": datetime.now(UTC),
        "after_version": 0,
        "files": (FileRows(seq=file.seq, path=file.path, rows=2, rescued_rows=1),),
    }
    return ReplayedFiles(**given | values)


def minutes(*bounds: int) -> list[Interval]:
    """Return intervals from pairs of minutes."""
    pairs = zip(bounds[::2], bounds[1::2], strict=True)
    return [
        Interval(START + first * MINUTE, START + last * MINUTE) for first, last in pairs
    ]


def commit(pipeline: PipelineBuilder, replay: ReplayedFiles) -> None:
    """Commit to bronze as the replay would, but without a row."""
    table = DeltaTable(pipeline.config.bronze_location)
    metadata = commit_metadata(pipeline.config, replay)
    write_deltalake(
        table,
        pa.schema(table.schema()).empty_table(),
        mode="append",
        commit_properties=CommitProperties(custom_metadata={"userMetadata": metadata}),
    )


def test_a_committed_replay_enters_the_ledger_once(pipeline) -> None:
    """The event has what was written before the commit, and the commit's version."""
    replay = a_replay(pipeline)
    begin_replay(pipeline.config, replay, {})
    commit(pipeline, replay)

    assert finish_replays(pipeline.config) == [replay]
    assert finish_replays(pipeline.config) == []
    (event,) = pipeline.ledger.events(EventKind.REPLAYED)
    (file,) = replay.files
    assert (event.seq, event.path, event.run_id) == (file.seq, file.path, "run-1")
    assert Replayed.of(event.detail) == Replayed(
        table_version=1, rows=2, rescued_rows=1
    )


def test_a_replay_without_commit_is_not_acted_on(pipeline) -> None:
    """It may still be running, or was killed before it could commit."""
    replay = a_replay(pipeline)
    begin_replay(pipeline.config, replay, {"windows": minutes(0, 5)})
    commit(pipeline, a_replay(pipeline, replay_id="another"))

    assert finish_replays(pipeline.config) == []
    assert list_touched(pipeline.config, "windows") == []
    assert pipeline.ledger.events() == []
    commit(pipeline, replay)
    assert finish_replays(pipeline.config) == [replay]
    assert [each.spans for each in list_touched(pipeline.config, "windows")] == [
        tuple(minutes(0, 5))
    ]


def test_an_earlier_commit_of_the_run_is_not_taken_for_this_one(pipeline) -> None:
    """A run that is tried again has its old id, and other rows to replace."""
    commit(pipeline, a_replay(pipeline))
    begin_replay(pipeline.config, a_replay(pipeline, after_version=1), {})

    assert finish_replays(pipeline.config) == []


def test_windows_stay_until_they_are_recomputed(pipeline) -> None:
    """What is left is kept, and with nothing left the record goes."""
    replay = a_replay(pipeline)
    begin_replay(pipeline.config, replay, {"windows": minutes(0, 10)})
    commit(pipeline, replay)
    (touched,) = list_touched(pipeline.config, "windows")

    keep_touched(pipeline.config, "windows", change(touched, minutes(5, 10)))
    assert [each.spans for each in list_touched(pipeline.config, "windows")] == [
        tuple(minutes(5, 10))
    ]
    keep_touched(pipeline.config, "windows", change(touched, []))
    assert list_touched(pipeline.config, "windows") == []


def test_another_attempt_replaces_what_was_written_down(pipeline) -> None:
    """A table that is no longer touched is not computed again."""
    replay = a_replay(pipeline)
    begin_replay(pipeline.config, replay, {"windows": minutes(0, 10)})
    begin_replay(pipeline.config, replay, {"windows": []})
    commit(pipeline, replay)

    assert list_touched(pipeline.config, "windows") == []


def test_an_abandoned_replay_leaves_nothing(pipeline) -> None:
    """Its commit was refused for good."""
    replay = a_replay(pipeline)
    begin_replay(pipeline.config, replay, {"windows": minutes(0, 10)})
    abandon_replay(pipeline.config, replay.replay_id)
    commit(pipeline, replay)

    assert finish_replays(pipeline.config) == []
    assert list_touched(pipeline.config, "windows") == []


@pytest.mark.parametrize(("days", "is_kept"), [(6, True), (8, False)])
def test_a_replay_that_never_committed_is_given_up(
    pipeline, days: int, is_kept: bool
) -> None:
    """In time nothing of a killed replay is left."""
    replay = a_replay(pipeline, at=datetime.now(UTC) - timedelta(days=days))
    begin_replay(pipeline.config, replay, {})
    finish_replays(pipeline.config)
    commit(pipeline, replay)

    assert bool(finish_replays(pipeline.config)) == is_kept


def test_preflight_finishes_a_replay(pipeline) -> None:
    """So the next run does, whatever the replay was killed in."""
    replay = a_replay(pipeline)
    begin_replay(pipeline.config, replay, {})
    commit(pipeline, replay)
    preflight(pipeline.config, run_id="run-2")

    assert len(pipeline.ledger.events(EventKind.REPLAYED)) == 1


@pytest.mark.parametrize(("watermark", "has_work"), [(4, False), (5, True)])
def test_replayed_windows_that_are_closed_are_work_for_silver(
    pipeline, watermark: int, has_work: bool
) -> None:
    """With no new file no other run would compute them."""
    closed_up_to = START + watermark * MINUTE
    watermark_ms = int(closed_up_to.timestamp() * 1000)
    replay = a_replay(pipeline)
    begin_replay(pipeline.config, replay, {"windows": minutes(0, 5)})
    commit(pipeline, replay)
    pipeline.run_silver_batch(watermark_ms=watermark_ms)
    pipeline.run_silver_batch(watermark_ms=watermark_ms)

    assert has_closed(pipeline.config, "windows", GRID, closed_up_to) is has_work
    assert preflight(pipeline.config, run_id="run-2").silver_has_work is has_work


@pytest.mark.parametrize(
    ("done", "closed", "waits"),
    [(None, -1, False), (None, 0, True), (3, 3, False), (3, 4, True)],
)
def test_sessions_wait_once_for_each_watermark(
    pipeline, done: int | None, closed: int, *, waits: bool
) -> None:
    """Until one that they touch is closed: a run without news would not change it."""
    touched = TouchedWindows(
        replay_id="late-1",
        run_id="run-1",
        at=START,
        after_version=0,
        spans=(Interval(START, START + 5 * MINUTE),),
        reason=LATE_ROWS,
        recomputed_up_to=None if done is None else START + done * MINUTE,
    )
    keep_touched(pipeline.config, "windows", touched)

    assert list_touched(pipeline.config, "windows") == [touched]
    closed_up_to = START + closed * MINUTE
    assert has_sessions(pipeline.config, "windows", closed_up_to) is waits


def test_a_damaged_record_is_named(pipeline, tmp_path) -> None:
    """Passing over it would leave the ledger or silver wrong, in silence."""
    replay = a_replay(pipeline)
    begin_replay(pipeline.config, replay, {})
    (record,) = (tmp_path / "schemas/orders/_replays").rglob("*.json")
    record.write_text("{}")

    with pytest.raises(FatalError) as caught:
        finish_replays(pipeline.config)
    assert caught.value.condition is Condition.LEDGER_UNREADABLE


def change(touched: TouchedWindows, spans: list[Interval]) -> TouchedWindows:
    """Return ``touched`` with other windows left."""
    return TouchedWindows(
        replay_id=touched.replay_id,
        run_id=touched.run_id,
        at=touched.at,
        after_version=touched.after_version,
        spans=tuple(spans),
    )


def test_rows_without_a_record_are_removed_when_they_are_old(pipeline) -> None:
    """Those of a replay that is written down stay, and so do new ones."""
    begin_replay(pipeline.config, a_replay(pipeline, sets_aside=True), {})
    kept = {name: put_aside(pipeline, name, days=8) for name in ("r-1", "killed")}
    kept["begins"] = put_aside(pipeline, "begins", days=6)

    sweep_set_aside(pipeline.config)
    sweep_set_aside(pipeline.config)

    assert {name for name, path in kept.items() if path.exists()} == {"r-1", "begins"}


def put_aside(pipeline: PipelineBuilder, replay_id: str, *, days: int) -> Path:
    """Write rows of a replay that are some days old."""
    path = Path(rows_set_aside(pipeline.config, replay_id), "part-0.parquet")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    at = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    os.utime(path, (at, at))
    return path
