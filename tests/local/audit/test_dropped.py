"""Records that were dropped are subtracted, and any other row that is gone is found."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from sluice import storage
from sluice.audit.gather import gather_facts
from sluice.audit.run import count_sides
from sluice.history import archive_history, count_batches
from sluice.history.files import list_files
from sluice.ledger.dropped import DroppedRecords, dropped_root
from sluice.rules.checks import check_facts
from support.builders import PipelineBuilder, pipeline_config


def dropping(lake: Path, *counts: int, malformed: int) -> PipelineBuilder:
    """Return a pipeline of two files, of three good records each.

    The second has so many more that are ``malformed``; ``counts`` are what the tasks
    that read it have recorded.
    """
    pipeline = PipelineBuilder(pipeline_config(lake))
    pipeline.land("a.json")
    path = Path(pipeline.land("b.json"))
    good = path.read_text()
    path.write_text(good + "nope\n" * malformed)
    moment = path.stat().st_mtime_ns
    pipeline.run_batch(written=False)
    for start, records in enumerate(counts):
        record = DroppedRecords(
            seq=2, path=str(path), start=start, end=9, records=records, run_id="r"
        )
        root = dropped_root(pipeline.ledger.root, 2)
        storage.put(root, record.key, msgspec.json.encode(record))
    # The builder writes a row of each line.
    path.write_text(good)
    pipeline.write_rows([each.path for each in pipeline.ledger.files()], batch_id=0)
    path.write_text(good + "nope\n" * malformed)
    os.utime(path, ns=(moment, moment))
    return pipeline


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize(
    ("counts", "malformed", "found"),
    [
        ([2], 2, []),
        ([1, 1], 2, []),
        ([], 1, ["ROWS_MISSING"]),
        ([1], 2, ["ROWS_MISSING"]),
        ([2], 1, ["ROWS_DUPLICATED"]),
    ],
)
def test_so_many_rows_fewer_are_expected(
    tmp_path: Path,
    *,
    counts: list[int],
    malformed: int,
    found: list[str],
    archived: bool,
) -> None:
    """By file: what was dropped of one explains nothing that another lacks."""
    pipeline = dropping(tmp_path, *counts, malformed=malformed)
    if archived:
        archive_history(pipeline.config)

    facts = gather_facts(pipeline.config)

    codes = [each.code for each in check_facts(facts)]
    assert codes == [*found, *(["RECORDS_DROPPED"] if counts else [])]
    assert count_sides(facts).get("dropped records", 0) == sum(counts)
    shown = [each.dropped_records for each in list_files(pipeline.config)]
    assert shown == [0, sum(counts)]


def test_run_says_how_many_it_dropped(tmp_path: Path) -> None:
    """Where there is none it says nothing of it."""
    pipeline = dropping(tmp_path, 1, malformed=1)
    archive_history(pipeline.config)

    assert count_batches(pipeline.config, after=-1)["dropped_records"] == 1
    assert "dropped_records" not in count_batches(pipeline.config, after=0)
