from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree, rmtree
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from builders import (
    BRONZE_SCHEMA,
    PipelineBuilder,
    bronze_row,
    order,
    pipeline_config,
    window,
)
from sluice.deltalog import TableCommit, open_table
from sluice.history import archive_history, record_step
from sluice.history.queries import list_queries
from sluice.history.taken_back import (
    ArchivedCommits,
    find_taken_back,
    rows_taken_back,
)
from sluice.model import StepSummary
from sluice.source.events import EventKind, LedgerEvent

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING = ArchivedCommits()


def commits(*told: str | int, first: int = 0) -> list[TableCommit]:
    """Return a log: ``rows`` and ``empty`` are the query's, a number is a RESTORE."""
    return [_commit(version, each) for version, each in enumerate(told, first)]


def _commit(version: int, told: str | int) -> TableCommit:
    restored = not isinstance(told, str)
    return TableCommit(
        version=version,
        committed_at=MOMENT,
        operation="RESTORE" if restored else "STREAMING UPDATE",
        parameters={"version": None if told == -1 else str(told)} if restored else {},
        metrics={},
        transactions={} if restored or told == "other" else {"query": version},
        added=("file",) if told in {"rows", "other"} else (),  # type: ignore[arg-type]
        removed=(),
        data_change=True,
        is_blind_append=True,
        user_metadata=None,
    )


@pytest.mark.parametrize(
    ("log", "lost"),
    [
        (("rows", "rows"), []),
        (("rows", "rows", 0), [1]),
        (("rows", "rows", 1), []),
        (("rows", "empty", 0), []),
        (("rows", "rows", -1), [0, 1]),
        (("rows", "rows", 0, "rows"), [1]),
        (("rows", "rows", 0, 1), []),
        (("rows", "rows", 0, "rows", 1), [3]),
        (("rows", "rows", 0, "rows", 3), [1]),
        (("other", "rows", 0), [1]),
        (("other", "other", 0, "rows"), []),
    ],
)
def test_restore_takes_back_what_came_after_its_version(
    log: tuple[str | int, ...], lost: list[int]
) -> None:
    """A RESTORE of a RESTORE gives back; what others wrote is theirs."""
    assert rows_taken_back(commits(*log), "query", NOTHING) == lost


@pytest.mark.parametrize(
    ("log", "lost"),
    [
        (("rows", 7), []),
        (("rows", 6), [7]),
        (("rows", 4), [5, 7]),
        (("rows", 2), [3, 5, 7]),
        (("empty", 5), []),
        ((4,), [5]),
    ],
)
def test_what_is_archived_counts_too(
    log: tuple[str | int, ...], lost: list[int]
) -> None:
    """The archive ends at version 6, the query began at 3 and last had rows at 5."""
    archived = ArchivedCommits(first=3, newest=6, newest_with_rows=5)

    assert rows_taken_back(commits(*log, first=7), "query", archived) == lost


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline that has read three files, one a micro-batch, and archived."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    for name in ("a.json", "b.json", "c.json"):
        pipeline.land(name)
        pipeline.run_batch()
    archive_history(pipeline.config)
    return pipeline


def found(pipeline: PipelineBuilder) -> str | None:
    """Return what is told of bronze."""
    query = list_queries(pipeline.config)[0]
    return find_taken_back(pipeline.config, query, pipeline.bronze.query_id)


def table(pipeline: PipelineBuilder) -> DeltaTable:
    """Open bronze."""
    return DeltaTable(pipeline.config.bronze_location)


def test_table_that_only_grows_is_whole(pipeline: PipelineBuilder) -> None:
    """Batches, other writers and compaction take nothing away."""
    assert found(pipeline) is None
    pipeline.land("d.json")
    pipeline.run_batch()
    pipeline.write_rows([pipeline.land("stranger.json")])
    table(pipeline).optimize.compact()

    assert found(pipeline) is None


def test_restore_is_told(pipeline: PipelineBuilder) -> None:
    """By the archive's version, though the newer log has no batch."""
    table(pipeline).restore(1)

    assert found(pipeline) == "a RESTORE took back what versions 2 added"


def test_some_deleted_rows_are_a_wish_and_all_are_not(
    pipeline: PipelineBuilder,
) -> None:
    """A DELETE with a condition is how rows are meant to go."""
    table(pipeline).delete("order_id = 'a.json-0'")
    assert found(pipeline) is None

    table(pipeline).delete()

    assert found(pipeline) == "all its rows were removed"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda table: table.restore(1),
            "it has 6 rows, its micro-batches wrote 9, and the log no longer tells",
        ),
        (lambda table: table.optimize.compact(), ""),
    ],
    ids=["rows gone", "rows there"],
)
def test_log_that_was_cleaned_up_hides_no_restore(
    pipeline: PipelineBuilder, change: Callable[[DeltaTable], object], told: str
) -> None:
    """Delta keeps its log for 30 days: then rows are counted."""
    change(table(pipeline))
    table(pipeline).create_checkpoint()
    for version in range(4):
        Path(
            pipeline.config.bronze_location, "_delta_log", f"{version:020d}.json"
        ).unlink()

    assert (found(pipeline) or "").startswith(told)
    assert bool(found(pipeline)) == bool(told)


def clean_up_log(cleaned: DeltaTable) -> None:
    """Let the log of a table begin with a checkpoint of its newest version."""
    cleaned.create_checkpoint()
    log = Path(urlsplit(cleaned.table_uri).path, "_delta_log")
    for version in range(cleaned.version() + 1):
        (log / f"{version:020d}.json").unlink()


def replay(pipeline: PipelineBuilder, path: str, *, rows: int) -> None:
    """Replace the rows of a file in one commit, and let the ledger know."""
    kept = [bronze_row(path, json.dumps(order("again", each))) for each in range(rows)]
    write_deltalake(
        pipeline.config.bronze_location,
        pa.Table.from_pylist(kept, schema=BRONZE_SCHEMA),
        mode="overwrite",
        predicate=f"_source_file = '{path}'",
    )
    (file,) = [each for each in pipeline.ledger.files() if each.path == path]
    version = str(table(pipeline).version())
    event = LedgerEvent(
        kind=EventKind.REPLAYED,
        seq=file.seq,
        path=path,
        detail=version,
        run_id="replay",
        at=MOMENT,
    )
    pipeline.ledger.append_events([event])


def test_fewer_rows_of_a_replay_are_no_restore(pipeline: PipelineBuilder) -> None:
    """A file that was mended has fewer rows, and the log need not tell it for ever."""
    path = str(Path(pipeline.config.landing_location, "b.json"))
    replay(pipeline, path, rows=2)
    replay(pipeline, path, rows=1)
    archive_history(pipeline.config)
    archive_history(pipeline.config)
    clean_up_log(table(pipeline))

    assert found(pipeline) is None


def test_replay_does_not_hide_a_restore(pipeline: PipelineBuilder) -> None:
    """What the table has is held against what the replay left, not against less."""
    path = str(Path(pipeline.config.landing_location, "a.json"))
    replay(pipeline, path, rows=1)
    archive_history(pipeline.config)
    table(pipeline).restore(1)
    clean_up_log(table(pipeline))

    assert (found(pipeline) or "").startswith("it has 6 rows")


def test_replay_that_nobody_counted_proves_nothing(pipeline: PipelineBuilder) -> None:
    """In doubt the audit counts each file; a run must not be refused for a guess."""
    path = str(Path(pipeline.config.landing_location, "b.json"))
    replay(pipeline, path, rows=1)
    clean_up_log(table(pipeline))
    archive_history(pipeline.config)

    assert found(pipeline) is None


@pytest.mark.parametrize("step", ["backfill", "replay", None])
def test_fewer_windows_are_no_restore_where_some_were_computed_anew(
    tmp_path: Path, step: str | None
) -> None:
    """Bronze may have fewer rows by then, and nobody counts the windows that were."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path, silver=True))
    for minute in (0, 5, 10):
        pipeline.land(f"{minute}.json")
        pipeline.run_batch()
        pipeline.run_silver_batch([window(minute)])
    archive_history(pipeline.config)
    if step:
        summary = StepSummary(step, "run-2")
        record_step(pipeline.config, summary, started=MOMENT, finished=MOMENT)
    silver = DeltaTable(pipeline.config.silver_location(pipeline.windows))
    silver.delete(f"window_start = '{MOMENT:%Y-%m-%d %H:%M:%S}Z'")
    clean_up_log(silver)

    query = list_queries(pipeline.config)[1]
    told = find_taken_back(pipeline.config, query, pipeline.silver.query_id)

    assert (told is None) is bool(step)


def test_table_from_a_backup_is_behind_its_archive(
    pipeline: PipelineBuilder, tmp_path: Path
) -> None:
    """The archive would keep telling of micro-batches that never were of this one."""
    backup = tmp_path / "backup"
    location = pipeline.config.bronze_location
    pipeline.land("d.json")
    pipeline.run_batch()
    copytree(location, backup)
    pipeline.land("e.json")
    pipeline.run_batch()
    archive_history(pipeline.config)
    rmtree(location)
    copytree(backup, location)

    told = found(pipeline)

    assert told is not None
    assert "version 3, and the archive tells of micro-batches up to version 4" in told


def test_table_that_was_written_to_meanwhile_is_not_behind(
    pipeline: PipelineBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run commits and archives between the two looks of this one."""
    before = table(pipeline)
    pipeline.land("d.json")
    pipeline.run_batch()
    archive_history(pipeline.config)
    answers = iter([before])
    monkeypatch.setattr(
        "sluice.history.taken_back.open_table",
        lambda location: next(answers, None) or open_table(location),
    )

    assert found(pipeline) is None
