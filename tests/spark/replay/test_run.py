"""Files read again on a real Spark: rows replaced in one commit, each file once.

What the runs before left is made without Spark where that serves.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from sluice.audit import run_audit
from sluice.bronze.run import run_bronze
from sluice.cli.replay import replay as replay_command
from sluice.errors import Condition, FatalError
from sluice.intervals import parse_interval
from sluice.ledger.events import EventKind, Replayed
from sluice.replay.reload import reload_interval
from sluice.replay.select import LeftOutReason
from support.builders import (
    PipelineBuilder,
    pipeline_config,
)
from support.replays import (
    DDL,
    declared,
    methods,
    replay,
    rewrite,
    rows,
    version,
    with_quarantined,
)


def checkpoint_files(pipeline: PipelineBuilder) -> dict[Path, bytes]:
    """Return every file of the bronze checkpoint."""
    root = Path(pipeline.config.bronze_checkpoint_location)
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_rows_are_replaced_by_those_of_the_file_now(pipeline: PipelineBuilder) -> None:
    """In one commit; rows of other files, checkpoint and claims stay as they were."""
    before = [row for row in rows(pipeline) if row["order_id"].startswith("b")]
    checkpoint, claims = checkpoint_files(pipeline), pipeline.ledger.claims()
    path = rewrite(pipeline, "a.json", "cash", "cash")
    started = datetime.now(UTC)

    result = replay(pipeline, "a.json")

    assert methods(pipeline) == {("a.json", "cash"): 2, ("b.json", "card"): 3}
    kept = [row for row in rows(pipeline) if row["order_id"].startswith("b")]
    assert kept == before
    (read_at,) = {row["_processing_time"] for row in rows(pipeline) if row not in kept}
    assert started <= read_at <= datetime.now(UTC)
    assert result.counts == {"files": 1, "left_out": 0, "rows_out": 3, "rows_in": 2}
    assert result.table_version == version(pipeline) == 1
    (commit,) = DeltaTable(pipeline.config.bronze_location).history(1)
    note = json.loads(commit["userMetadata"])
    assert (note["step"], note["run_id"], note["files"]) == ("replay", "replay", 1)
    assert checkpoint_files(pipeline) == checkpoint
    assert pipeline.ledger.claims() == claims
    (event,) = pipeline.ledger.events(EventKind.REPLAYED)
    assert (event.seq, event.path) == (1, str(path))
    assert Replayed.of(event.detail) == Replayed(
        table_version=1, rows=2, rescued_rows=0
    )


@pytest.mark.long
@pytest.mark.parametrize("partition_by", [[], ["payment_method"]])
def test_rows_are_replaced_however_the_table_is_partitioned(
    partition_by: list[str], tmp_path: Path
) -> None:
    """A table without partitions is one of its own; rows may come into a new one."""
    bronze = {"source": {"schema": DDL}, "partition_by": partition_by}
    pipeline = PipelineBuilder(pipeline_config(tmp_path, bronze=bronze))
    pipeline.land("a.json")
    pipeline.land("b.json")
    pipeline.run_batch()
    rewrite(pipeline, "a.json", "cash", "cash")

    replay(pipeline, "a.json")

    assert methods(pipeline) == {("a.json", "cash"): 2, ("b.json", "card"): 3}


def test_a_replay_twice_leaves_the_same_rows(tmp_path: Path) -> None:
    """A user who is not sure that it ran may run it again, and the runs go on."""
    pipeline = declared(tmp_path, DDL)
    pipeline.land("a.json")
    pipeline.land("b.json")
    run_bronze(pipeline.config, run_id="run-1")
    rewrite(pipeline, "a.json", "cash")
    replay(pipeline, "a.json")
    once = methods(pipeline)

    replay(pipeline, "*.json")
    again = methods(pipeline)
    pipeline.land("c.json")
    run_bronze(pipeline.config, run_id="run-2")

    assert again == once == {("a.json", "cash"): 1, ("b.json", "card"): 3}
    assert methods(pipeline) == once + Counter({("c.json", "card"): 3})
    assert run_audit(pipeline.config).verdict == "ok"


@pytest.mark.long
def test_files_are_read_in_the_schema_of_today(
    pipeline: PipelineBuilder, tmp_path: Path
) -> None:
    """A column that was declared since is filled where a file is read again."""
    rewrite(pipeline, "a.json", "card", customer="c-1")

    without = replay(pipeline, "a.json")
    result = replay(declared(tmp_path, f"{DDL}, customer string"), "a.json")

    found = {row["order_id"]: row["customer"] for row in rows(pipeline)}
    assert found["a.json-0"] == "c-1"
    assert found["b.json-0"] is None
    assert [each.rescued_rows for each in without.files] == [1]
    assert [each.rescued_rows for each in result.files] == [0]


@pytest.mark.long
def test_a_quarantined_file_comes_in_once_it_is_mended(tmp_path: Path) -> None:
    """Its rows are added, and ledger and audit count it as ingested."""
    pipeline = with_quarantined(tmp_path)

    result = replay(pipeline, "a.json.gz")
    replay(pipeline, "a.json.gz")

    assert result.counts == {"files": 1, "left_out": 0, "rows_out": 0, "rows_in": 2}
    assert methods(pipeline) == {("a.json.gz", "cash"): 2, ("b.json", "card"): 3}
    assert run_audit(pipeline.config).verdict == "ok"


def test_a_file_that_cannot_be_read_is_left_out(pipeline: PipelineBuilder) -> None:
    """The others are replayed; its rows stay, and it is not put in quarantine."""
    # Its name says that it is compressed, and it is not.
    path = pipeline.land("c.json.gz", rows=2)
    pipeline.run_batch()
    rewrite(pipeline, "b.json", "cash")

    result = replay(pipeline, "*")

    assert methods(pipeline) == {
        ("a.json", "card"): 3,
        ("b.json", "cash"): 1,
        ("c.json.gz", "card"): 2,
    }
    (left_out,) = result.left_out
    assert (left_out.path, left_out.reason) == (path, LeftOutReason.UNREADABLE)
    assert pipeline.ledger.left_out() == {}
    with pytest.raises(FatalError) as caught:
        replay(pipeline, "c.json.gz")
    assert caught.value.condition is Condition.NOTHING_TO_REPLAY


def test_a_dry_run_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints files, rows out, rows in and windows; no version, event or record."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path, silver=True))
    path = pipeline.land("a.json")
    pipeline.run_batch()
    rewrite(pipeline, "a.json", "cash")
    file = tmp_path / "orders.yaml"
    file.write_text(pipeline.config.model_dump_json(by_alias=True))

    replay_command(str(file), ["a.json"], dry_run=True, as_json=True)

    printed = json.loads(capsys.readouterr().out)
    assert printed["files"] == [
        {
            "seq": 1,
            "path": path,
            "rows_out": 3,
            "rows_in": 1,
            "rescued_rows": 0,
            "dropped_records": 0,
            "quarantined_rows": 0,
        }
    ]
    assert printed["windows"] == [{"table": "windows", "windows": 1, "windows_open": 1}]
    assert (printed["rows_out"], printed["rows_in"], printed["left_out"]) == (3, 1, [])
    assert printed["table_version"] is None
    assert version(pipeline) == 0
    assert pipeline.ledger.events() == []
    assert not list(Path(pipeline.config.schema_location).glob("_replays/**/*.json"))


def test_a_reload_replays_the_files_of_an_interval(tmp_path: Path) -> None:
    """Whose rows fall into windows that start in it, and no others.

    00:00     00:05     00:10
    |---------|---------|
    a: 00:00  b: 00:05  the interval [00:05, 00:10) holds the window of b alone
    """
    pipeline = PipelineBuilder(pipeline_config(tmp_path, silver=True))
    pipeline.land("a.json")
    path = rewrite(pipeline, "b.json", "card", order_date="2026-01-01 00:05:00")
    pipeline.run_batch()
    rewrite(pipeline, "a.json", "cash")
    rewrite(pipeline, "b.json", "cash", order_date="2026-01-01 00:05:00")
    interval = parse_interval("2026-01-01T00:05", "2026-01-01T00:10")

    result = reload_interval(pipeline.config, interval, run_id="reload")

    assert result is not None
    assert [each.path for each in result.files] == [str(path)]
    assert methods(pipeline) == {("a.json", "card"): 3, ("b.json", "cash"): 1}
    later = parse_interval("2026-01-01T00:10", "2026-01-01T01:00")
    assert reload_interval(pipeline.config, later, run_id="reload") is None
