"""An audit reads what has landed since the one before; a full audit reads all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from deltalake import DeltaTable

from sluice.audit.counted import TABLE
from sluice.audit.run import run_audit
from sluice.config import PipelineConfig
from support.builders import PipelineBuilder, pipeline_config


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline of two files, audited once."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    pipeline.land("a.json")
    pipeline.land("b.json")
    pipeline.run_batch()
    assert codes(pipeline.config) == []
    return pipeline


def codes(config: PipelineConfig, *, full: bool = False) -> list[str]:
    """Audit a pipeline and return the codes of what is found."""
    return [each.code for each in run_audit(config, full=full).findings]


def counted(pipeline: PipelineBuilder) -> int:
    """Return how many counts are kept."""
    table = DeltaTable(pipeline.config.ops_location(TABLE))
    return table.to_pyarrow_table().num_rows


def join_lines(path: Path) -> None:
    """Let a file have one record less, with its size and time as they were."""
    moment = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes().replace(b"\n", b" ", 1))
    os.utime(path, ns=(moment, moment))


def test_a_file_that_is_as_it_was_is_not_read_again(pipeline: PipelineBuilder) -> None:
    """By size and time; what a full audit counts stands from then on."""
    config = pipeline.config
    join_lines(Path(config.landing_location, "a.json"))

    assert codes(config) == []
    assert counted(pipeline) == 2
    assert codes(config, full=True) == ["ROWS_DUPLICATED"]
    assert counted(pipeline) == 3
    assert codes(config) == ["ROWS_DUPLICATED"]
    assert counted(pipeline) == 3


def test_a_file_that_has_changed_is_counted(pipeline: PipelineBuilder) -> None:
    """And one that is new."""
    path = Path(pipeline.config.landing_location, "a.json")
    path.write_bytes(path.read_bytes() + path.read_bytes())
    pipeline.land("c.json")
    pipeline.run_batch()

    assert "FILE_CHANGED" in codes(pipeline.config)
    assert counted(pipeline) == 4


def test_a_name_that_no_table_can_hold_is_counted_each_time(
    pipeline: PipelineBuilder,
) -> None:
    """And it is named each time."""
    Path(pipeline.config.landing_location, os.fsdecode(b"\xff.json")).write_text("{}")

    assert codes(pipeline.config) == codes(pipeline.config) == ["NAME_NOT_UTF8"]
    assert counted(pipeline) == 2


@pytest.mark.parametrize("damaged", ["*.parquet", "_delta_log/*.json"])
def test_a_damaged_table_of_counts_costs_time_alone(
    pipeline: PipelineBuilder, damaged: str, caplog: pytest.LogCaptureFixture
) -> None:
    """All files are counted, and how to be rid of it is said."""
    table = Path(pipeline.config.ops_location(TABLE))
    for path in table.glob(damaged):
        path.write_text("{")
    join_lines(Path(pipeline.config.landing_location, "a.json"))

    assert codes(pipeline.config) == ["ROWS_DUPLICATED"]
    assert "delete it" in caplog.text


def test_other_options_count_all_files(pipeline: PipelineBuilder) -> None:
    """A record may be another thing by them."""
    source = pipeline.config.bronze.source
    options = {**source.options, "multiLine": "true"}
    source = source.model_copy(update={"options": options})
    bronze = pipeline.config.bronze.model_copy(update={"source": source})
    config = pipeline.config.model_copy(update={"bronze": bronze})

    run_audit(config)

    assert counted(pipeline) == 4
