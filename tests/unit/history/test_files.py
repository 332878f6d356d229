"""Every file with its state, batch, version, rows and error."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from builders import PipelineBuilder, pipeline_config
from sluice.history import archive_history
from sluice.history.files import list_files, to_json
from sluice.model import FileState
from sluice.source.ledger import QuarantinedFile


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline with a file in each state; the second is bad."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    pipeline.land("a.json", rows=2)
    pipeline.discover()
    bad = pipeline.land("b.json", rows=2)
    pipeline.discover()
    now = datetime.now(UTC)
    pipeline.ledger.quarantine(QuarantinedFile(2, bad, "not UTF-8", "run-1", now))
    pipeline.run_batch()
    pipeline.land("c.json", rows=4)
    pipeline.run_batch(written=False, committed=False)
    pipeline.land("d.json")
    pipeline.discover()
    return pipeline


@pytest.mark.parametrize("archived", [False, True])
def test_states_are_derived(pipeline: PipelineBuilder, archived: bool) -> None:
    """The archive speeds things up; it must not change what is told."""
    if archived:
        archive_history(pipeline.config)
    rows = list_files(pipeline.config)
    assert [(row.seq, row.state) for row in rows] == [
        (1, FileState.INGESTED),
        (2, FileState.QUARANTINED),
        (3, FileState.IN_FLIGHT),
        (4, FileState.DISCOVERED),
    ]
    assert [(row.batch_id, row.table_version, row.rows) for row in rows] == [
        (0, 0, 2),
        (0, 0, 0),
        (1, None, None),
        (None, None, None),
    ]
    assert rows[1].error == "not UTF-8"


def test_only_files_in_a_state(pipeline: PipelineBuilder) -> None:
    """Whoever looks for bad files does not want a million good ones."""
    rows = list_files(pipeline.config, FileState.QUARANTINED)
    assert [row.seq for row in rows] == [2]


def test_rows_in_the_table_are_ingested_before_spark_commits(
    pipeline: PipelineBuilder,
) -> None:
    """Delta's commit is what puts the rows there; Spark's only says so."""
    pipeline.write_rows([list_files(pipeline.config)[2].path], batch_id=1)
    row = list_files(pipeline.config)[2]
    assert (row.state, row.rows, row.table_version) == (FileState.INGESTED, 4, 1)


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


def test_file_has_the_promised_shape(pipeline: PipelineBuilder) -> None:
    """Others rely on these keys."""
    shape = to_json(list_files(pipeline.config)[0])
    assert list(shape) == [
        "seq",
        "path",
        "size",
        "modified_at",
        "state",
        "batch_id",
        "table_version",
        "rows",
        "rescued_rows",
        "error",
    ]
    assert shape["state"] == "ingested"


def test_newer_checkpoint_that_reads_again_counts(pipeline: PipelineBuilder) -> None:
    """After a fresh start the rows are those of the new query."""
    archive_history(pipeline.config)
    for folder in (pipeline.bronze.location, Path(pipeline.config.bronze_location)):
        folder.rename(folder.with_name(f"{folder.name}_old"))
    pipeline.bronze.query_id = "another"
    pipeline.bronze.plan(0, pipeline.offset(1))
    pipeline.write_rows([])
    pipeline.write_rows([list_files(pipeline.config)[0].path], batch_id=0)
    pipeline.bronze.commit(0)
    rows = list_files(pipeline.config)
    assert (rows[0].batch_id, rows[0].table_version, rows[0].rows) == (0, 1, 2)
    assert rows[1].batch_id == 0  # only the old query read it


def test_pipeline_that_never_ran_has_no_files(tmp_path: Path) -> None:
    """Asking before the first run is no mistake."""
    assert list_files(pipeline_config(tmp_path)) == []
