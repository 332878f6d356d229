"""The state of a file, by what became of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from sluice.config import load_pipeline
from sluice.discovery.listing import list_landed
from sluice.history import archive_history
from sluice.history.files import list_files
from sluice.ledger.quarantine import LeftOut, QuarantinedFile
from sluice.model import FileState, SeqRange
from sluice.options.configured import source_options
from support.builders import PipelineBuilder, pipeline_config
from support.delta_rows import read_delta
from support.frozen import unfreeze


def test_claimed_file_is_in_flight_before_the_offsets_are_logged(
    tmp_path: Path,
) -> None:
    """The claim comes first: a kill right after it leaves just that."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    pipeline.land("a.json")
    pipeline.run_batch(written=False, committed=False)
    pipeline.bronze.remove("offsets/0")
    (row,) = list_files(pipeline.config)
    assert row.state is FileState.IN_FLIGHT


def test_rescued_rows_are_counted_by_file(tmp_path: Path) -> None:
    """A file that drifts from the schema is to be seen by name."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    path = Path(pipeline.land("a.json", rows=3))
    line = '{"order_id": "x", "rescued": "{\\"tip\\": 1}"}\n'
    path.write_text(path.read_text() + line)
    pipeline.land("b.json")
    pipeline.run_batch()
    found = {Path(each.path).name: each for each in list_files(pipeline.config)}
    assert (found["a.json"].rows, found["a.json"].rescued_rows) == (4, 1)
    assert (found["b.json"].rows, found["b.json"].rescued_rows) == (3, 0)


def leave_out(pipeline: PipelineBuilder, seq: int, kind: LeftOut) -> None:
    """Record that a file is left out."""
    path = pipeline.ledger.files(seq - 1, seq)[0].path
    now = datetime.now(UTC)
    record = QuarantinedFile(seq, path, "changed", "run-1", now, kind)
    pipeline.ledger.quarantine(record)


def test_replaced_version_is_no_bad_file(tmp_path: Path) -> None:
    """Nothing is to be mended: its newer version has a row of its own."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    pipeline.land("a.json")
    pipeline.discover()
    leave_out(pipeline, 1, LeftOut.REPLACED)
    (row,) = list_files(pipeline.config)
    assert (row.state, row.error) == (FileState.REPLACED, "changed")


@pytest.mark.parametrize("archived", [False, True])
def test_rows_in_the_table_prove_more_than_a_record(
    tmp_path: Path, archived: bool
) -> None:
    """Of two drivers one read the file before it changed, and its commit came first."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    pipeline.land("a.json", rows=2)
    pipeline.run_batch()
    leave_out(pipeline, 1, LeftOut.QUARANTINED)
    if archived:
        archive_history(pipeline.config)
    (row,) = list_files(pipeline.config)
    assert (row.state, row.rows, row.error) == (FileState.INGESTED, 2, None)


def test_files_that_are_never_read_are_skipped(tmp_path: Path) -> None:
    """What was there before the stream is known and waits for nothing."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    for name in ("a", "b"):
        pipeline.land(f"{name}.json")
        pipeline.discover()
    pipeline.ledger.skip_existing()
    pipeline.land("c.json")
    pipeline.discover()
    states = [str(row.state) for row in list_files(pipeline.config)]
    assert states == ["skipped", "skipped", "discovered"]


def compact(pipeline: PipelineBuilder) -> None:
    """Run OPTIMIZE on bronze."""
    DeltaTable(pipeline.config.bronze_location).optimize.compact()


def delete(pipeline: PipelineBuilder) -> None:
    """Delete all rows of a file and some of another."""
    table = DeltaTable(pipeline.config.bronze_location)
    table.delete("order_id like 'b.json%' or order_id = 'a.json-0'")


def vacuum(pipeline: PipelineBuilder) -> None:
    """Rewrite the table's files and remove the old ones."""
    compact(pipeline)
    delete(pipeline)
    table = DeltaTable(pipeline.config.bronze_location)
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)


def append_elsewhere(pipeline: PipelineBuilder) -> None:
    """Append as another writer would: rows of a known file, and rows of no file."""
    table = DeltaTable(pipeline.config.bronze_location)
    rows = read_delta(table.table_uri).slice(0, 2)
    write_deltalake(table, rows, mode="append")
    nameless = rows.set_column(
        rows.column_names.index("_source_file"),
        "_source_file",
        pa.array([None, None], pa.string()),
    )
    write_deltalake(table, nameless, mode="append")


@pytest.mark.parametrize("done", [compact, delete, vacuum, append_elsewhere])
def test_what_is_done_to_the_table_changes_no_file(
    tmp_path: Path, done: Callable[[PipelineBuilder], None]
) -> None:
    """Rows are those of the commit that added them, and that is over."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    for name in "ab":
        pipeline.land(f"{name}.json", rows=2)
        pipeline.run_batch()
        pipeline.land(f"{name}2.json", rows=1)
        pipeline.run_batch()
    archive_history(pipeline.config)
    before = list_files(pipeline.config)
    done(pipeline)
    pipeline.land("c.json")
    pipeline.run_batch()
    after = list_files(pipeline.config)
    assert after[:4] == before
    assert [row.rows for row in after] == [2, 1, 2, 1, 3]
    assert [row.batch_id for row in after] == [0, 1, 2, 3, 4]
    assert {row.state for row in after} == {FileState.INGESTED}


def test_two_versions_in_one_batch_are_counted_once(tmp_path: Path) -> None:
    """A name has one version in a commit, and its rows are that version's."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    for rows in (1, 2):
        pipeline.land("a.json", rows=rows)
        listed = list_landed(source_options(pipeline.config))
        pipeline.ledger.append_new(listed, run_id="run-1", by_version=True)
    leave_out(pipeline, 1, LeftOut.REPLACED)
    end = pipeline.ledger.claim(SeqRange(-1, 2), run_id="run-1")
    pipeline.bronze.plan(0, pipeline.offset(end))
    pipeline.write_rows([listed[0].path], batch_id=0)
    pipeline.bronze.commit(0)
    for archive in (lambda _: None, archive_history):
        archive(pipeline.config)
        rows = list_files(pipeline.config)
        assert [(row.state, row.rows) for row in rows] == [
            (FileState.REPLACED, 0),
            (FileState.INGESTED, 2),
        ]


@pytest.mark.parametrize("archived", [False, True])
def test_files_of_a_lake_of_format_1_are_known(tmp_path: Path, archived: bool) -> None:
    """Its archive names no ledger and no time, so a reading is found by the path."""
    config = load_pipeline(str(unfreeze(tmp_path)))
    if archived:
        archive_history(config)
        archive_history(config)
    rows = list_files(config)
    assert [(str(row.state), row.rows, row.batch_id) for row in rows] == [
        ("ingested", 7, 0),
        ("ingested", 7, 0),
        ("quarantined", 0, 1),
        ("ingested", 7, 1),
        ("in flight", None, 2),
        ("in flight", None, 2),
        ("discovered", None, None),
    ]
