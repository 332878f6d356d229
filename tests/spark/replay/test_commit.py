"""A replay that is killed, or has other writers beside it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from deltalake.exceptions import CommitFailedError

from sluice.audit import run_audit
from sluice.errors import Condition, RetryableError
from sluice.history.replays import finish_replays
from sluice.ledger.events import EventKind, Replayed
from sluice.replay import commit as replay_commit
from sluice.replay.result import ReplayResult
from support.builders import (
    BRONZE_SCHEMA,
    PipelineBuilder,
    bronze_row,
    order,
)
from support.replays import methods, replay, rewrite, version, with_quarantined

pytestmark = [pytest.mark.needs_java, pytest.mark.usefixtures("spark")]


def test_a_kill_before_the_commit_changes_nothing(
    pipeline: PipelineBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written down for it is not acted on, for there is no such commit."""
    rewrite(pipeline, "a.json", "cash")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(replay_commit, "replace_rows", killed)
        with pytest.raises(KeyboardInterrupt):
            replay(pipeline, "a.json")

    assert list(Path(pipeline.config.schema_location).glob("_replays/**/*.json"))
    assert finish_replays(pipeline.config) == []
    assert pipeline.ledger.events(EventKind.REPLAYED) == []
    assert version(pipeline) == 0
    rewrite(pipeline, "b.json")
    replay(pipeline, "*.json")
    assert methods(pipeline) == {("a.json", "cash"): 1}


@pytest.mark.long
def test_two_replays_at_once_double_nothing(tmp_path: Path) -> None:
    """Also where neither finds a row to take out: the second is refused and looks."""
    pipeline = with_quarantined(tmp_path)

    def another_first(_: ReplayResult) -> bool:
        replay(pipeline, "*.gz")
        return True

    result = replay(pipeline, "*.gz", confirmed=another_first)

    assert methods(pipeline) == {("a.json.gz", "cash"): 2, ("b.json", "card"): 3}
    assert result.counts["rows_out"] == 2
    assert run_audit(pipeline.config).verdict == "ok"
    events = pipeline.ledger.events(EventKind.REPLAYED)
    assert [Replayed.of(each.detail).table_version for each in events] == [1, 2]


@pytest.mark.parametrize(
    ("day", "conflicts"),
    [
        (date(2026, 1, 1), True),
        pytest.param(date(2026, 1, 2), False, marks=pytest.mark.long),
    ],
)
def test_an_append_in_between_is_kept(
    pipeline: PipelineBuilder,
    monkeypatch: pytest.MonkeyPatch,
    day: date,
    conflicts: bool,
) -> None:
    """The replay looks again, unless no row goes out of the partition it came into."""
    rewrite(pipeline, "a.json", "cash")
    tries = count_tries(monkeypatch)

    with appending(pipeline, day, until=lambda: len(tries) > 1):
        replay(pipeline, "a.json")

    assert (len(tries) > 1) is conflicts
    found = methods(pipeline)
    assert found[("a.json", "cash")] == 1
    assert found[("b.json", "card")] == 3
    assert found[("x.json", "card")] == version(pipeline) - 1


@pytest.mark.long
def test_appends_all_the_time_mean_to_try_again(
    pipeline: PipelineBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 75, and nothing is half done."""
    rewrite(pipeline, "a.json", "cash")
    monkeypatch.setattr(replay_commit, "_ROUNDS", 1)

    with (
        appending(pipeline, date(2026, 1, 1), until=lambda: False),
        pytest.raises(RetryableError) as caught,
    ):
        replay(pipeline, "a.json")

    assert caught.value.condition is Condition.COMMIT_CONFLICT
    assert methods(pipeline)[("a.json", "card")] == 3
    assert pipeline.ledger.events() == []
    assert not list(Path(pipeline.config.schema_location).glob("_replays/**/*.json"))


def count_tries(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list that grows with each attempt to commit."""
    real, tries = replay_commit.replace_rows, []

    def counted(*arguments: object) -> None:
        tries.append(None)
        real(*arguments)

    monkeypatch.setattr(replay_commit, "replace_rows", counted)
    return tries


@contextmanager
def appending(
    pipeline: PipelineBuilder, day: date, *, until: Callable[[], bool]
) -> Iterator[None]:
    """Append rows of another file, a commit each, while the block runs."""
    line = json.dumps(order("x.json", 0))
    row = bronze_row("/landing/x.json", line) | {"_processing_date": day}
    table = pa.Table.from_pylist([row], schema=BRONZE_SCHEMA)
    stop = threading.Event()

    def append() -> None:
        while not stop.is_set() and not until():
            # Refused by the replay that came between, it simply tries again.
            with suppress(CommitFailedError):
                write_deltalake(pipeline.config.bronze_location, table, mode="append")
            stop.wait(0.05)

    writer = threading.Thread(target=append)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()
