"""A deletion removes what the pipeline made, and nothing that others put beside it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from deltalake import DeltaTable

from sluice.errors import Condition, FatalError
from sluice.resources import delete_pipeline
from support.builders import PipelineBuilder, pipeline_config, window

# The same for all workers, which must find the same tests.
_PART = f"part-00000-{UUID(int=7)}-c000.snappy.parquet"


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline that has run, and whose keys name its folders."""
    bronze = {
        "unique_key": ["order_id"],
        "table": str(tmp_path / "given" / "table"),
        "checkpoint": str(tmp_path / "given" / "checkpoint"),
    }
    pipeline = PipelineBuilder(
        pipeline_config(tmp_path / "lake", silver=True, bronze=bronze)
    )
    pipeline.land("a.json")
    pipeline.run_batch()
    pipeline.land("b.json")
    pipeline.run_batch()
    return pipeline


def put(path: Path, *, age: timedelta = timedelta()) -> None:
    """Have another's file at ``path``, as old as ``age``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("another's")
    written = path.stat().st_mtime - age.total_seconds()
    os.utime(path, (written, written))


@pytest.mark.parametrize(
    "place",
    [
        "table/notes.txt",
        "table/2026/invoices.parquet",
        "table/.hidden.crc",
        "table/_spark_metadata/0",
        f"table/day=1/{_PART}",
        "checkpoint/notes.txt",
        "checkpoint/photos/1.jpg",
    ],
)
def test_folder_with_files_of_others_is_refused(
    pipeline: PipelineBuilder, tmp_path: Path, place: str
) -> None:
    """By name, before anything goes; what was there before the table was is no part."""
    path = tmp_path / "given" / place
    put(path, age=timedelta(days=1))
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(FatalError, match=path.name) as caught:
        delete_pipeline(pipeline.config, run_id="r")

    assert caught.value.condition is Condition.DELETION_REFUSED
    assert set(tmp_path.rglob("*")) >= set(before)
    path.unlink()
    delete_pipeline(pipeline.config, run_id="r")
    assert not Path(pipeline.config.bronze_location, "_delta_log").exists()


def test_link_is_no_part_of_a_table(pipeline: PipelineBuilder, tmp_path: Path) -> None:
    """Neither to a file nor to a folder; what it leads to stays in any case."""
    put(tmp_path / "other" / "a.txt")
    link = tmp_path / "given" / "table" / "link"
    link.symlink_to(tmp_path / "other")

    with pytest.raises(FatalError, match="link"):
        delete_pipeline(pipeline.config, run_id="r")

    assert (tmp_path / "other" / "a.txt").exists()


def test_all_that_writers_left_goes(pipeline: PipelineBuilder) -> None:
    """Parts of commits that never came, checksums, vectors, changes, old versions."""
    config = pipeline.config
    table = Path(config.bronze_location)
    for name in (
        _PART,
        f".{_PART}.crc",
        f"x9/part-00001-{uuid4()}.c000.zstd.parquet",
        f"deletion_vector_{uuid4()}.bin",
        f"_change_data/cdc-00000-{uuid4()}.c000.snappy.parquet",
        f"{_PART}#1",
    ):
        put(table / name)
    DeltaTable(table).optimize.compact()
    pipeline.run_silver_batch([window(0)])
    checkpoint = Path(config.bronze_checkpoint_location)
    put(checkpoint / "state" / "0" / "0" / "1.delta")
    put(checkpoint / f".metadata.{uuid4()}.tmp")
    put(checkpoint / f"..metadata.{uuid4()}.tmp.crc")

    delete_pipeline(config, run_id="r")

    assert not table.exists()
    assert not checkpoint.exists()


def test_folders_of_a_pipeline_may_lie_in_each_other(tmp_path: Path) -> None:
    """A checkpoint in its table's folder, and the ledger in the checkpoint's."""
    table = tmp_path / "given" / "table"
    checkpoint = str(table / "_checkpoint")
    source = {"options": {"cloudFiles.schemaLocation": checkpoint}}
    bronze = {"table": str(table), "checkpoint": checkpoint, "source": source}
    pipeline = PipelineBuilder(pipeline_config(tmp_path / "lake", bronze=bronze))
    pipeline.land("a.json")
    pipeline.run_batch()

    delete_pipeline(pipeline.config, run_id="r")

    assert not [path for path in table.rglob("*") if path.is_file()]


@pytest.mark.parametrize("place", ["notes.txt", "photos/1.jpg"])
def test_folder_around_a_table_says_nothing_of_files_in_it(
    tmp_path: Path, place: str
) -> None:
    """A table within its checkpoint's folder: what lies beside it is looked at, too."""
    checkpoint = tmp_path / "given"
    bronze = {"table": str(checkpoint / "table"), "checkpoint": str(checkpoint)}
    pipeline = PipelineBuilder(pipeline_config(tmp_path / "lake", bronze=bronze))
    pipeline.land("a.json")
    pipeline.run_batch()
    for path in (checkpoint / place, checkpoint / "table" / "notes.md"):
        put(path, age=timedelta(days=1))
        with pytest.raises(FatalError, match=path.name) as caught:
            delete_pipeline(pipeline.config, run_id="r")

        assert caught.value.condition is Condition.DELETION_REFUSED
        assert path.exists()
        path.unlink()
    delete_pipeline(pipeline.config, run_id="r")
    assert not [path for path in checkpoint.rglob("*") if path.is_file()]


def test_table_with_a_damaged_log_goes(pipeline: PipelineBuilder) -> None:
    """It must be possible to begin again; its names have to do."""
    log = Path(pipeline.config.bronze_location, "_delta_log")
    (log / f"{0:020}.json").write_text("{")

    delete_pipeline(pipeline.config, run_id="r")

    assert not log.exists()
