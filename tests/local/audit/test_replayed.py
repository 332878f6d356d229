"""Files that were read again are held against what they hold now."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from sluice.audit.gather import gather_facts
from sluice.ledger.events import EventKind, LedgerEvent, Replayed
from sluice.ledger.quarantine import QuarantinedFile
from sluice.rules.checks import check_facts
from support.builders import BRONZE_SCHEMA, PipelineBuilder, bronze_row, pipeline_config


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline of one file that was put in quarantine."""
    builder = PipelineBuilder(pipeline_config(tmp_path))
    path = builder.land("a.json")
    builder.discover()
    now = datetime.now(UTC)
    builder.ledger.quarantine(QuarantinedFile(1, path, "cut off", "run-1", now))
    builder.run_batch()
    return builder


def codes(pipeline: PipelineBuilder) -> list[str]:
    """Return the codes of what an audit finds."""
    return [each.code for each in check_facts(gather_facts(pipeline.config))]


def replay(pipeline: PipelineBuilder, *, landed: int, rows: int) -> None:
    """Land the file again and keep that so many rows of it came in."""
    path = pipeline.land("a.json", rows=rows)
    lines = Path(path).read_text().splitlines()
    pipeline.ledger.append_events(
        [
            LedgerEvent(
                kind=EventKind.REPLAYED,
                seq=1,
                path=path,
                detail=Replayed(table_version=1, rows=rows, rescued_rows=0).detail,
                run_id="run-2",
                at=datetime.now(UTC),
            )
        ]
    )
    write_rows(pipeline, path, lines)
    pipeline.land("a.json", rows=landed)


def write_rows(pipeline: PipelineBuilder, path: str, lines: list[str]) -> None:
    """Append the rows of the file, which the builder leaves out as quarantined."""
    table = pa.Table.from_pylist(
        [bronze_row(path, line) for line in lines], schema=BRONZE_SCHEMA
    )
    write_deltalake(pipeline.config.bronze_location, table, mode="append")


@pytest.mark.parametrize(
    ("landed", "rows", "found"),
    [
        (7, 7, []),
        (7, 5, ["FILE_CHANGED"]),
        (3, 3, []),
        (3, 4, ["ROWS_DUPLICATED"]),
    ],
)
def test_a_replayed_file_has_the_rows_of_today(
    pipeline: PipelineBuilder, landed: int, rows: int, found: list[str]
) -> None:
    """Neither its size at discovery nor its quarantine counts any more."""
    assert codes(pipeline) == ["FILE_QUARANTINED"]

    replay(pipeline, landed=landed, rows=rows)

    assert codes(pipeline) == found
