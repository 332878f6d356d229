"""Files that are replayed: what came from them before goes, unless bronze has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sluice.current.run import run_current
from support.builders import PipelineBuilder
from support.delta_rows import read_delta
from support.replays import DDL, declared, replay

pytestmark = pytest.mark.usefixtures("spark")
CURRENT = {"name": "newest", "merge_keys": ["order_id"], "sequence_by": "order_date"}


def write(pipeline: PipelineBuilder, name: str, *orders: tuple[str, str]) -> None:
    """Write a landed file of orders: id and date."""
    path = Path(pipeline.config.landing_location, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"order_id": key, "order_date": date, "payment_method": name}
        for key, date in orders
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


@pytest.mark.parametrize("scd_type", [1, pytest.param(2, marks=pytest.mark.long)])
def test_an_older_row_comes_back_where_the_newest_is_gone(
    tmp_path: Path, scd_type: int
) -> None:
    """Rows of other files stay, keys of no file go, and new ones come."""
    pipeline = declared(tmp_path, DDL, current=[{**CURRENT, "scd_type": scd_type}])
    write(pipeline, "a.json", ("1", "d5"), ("2", "d9"), ("5", "d1"))
    write(pipeline, "b.json", ("2", "d5"), ("3", "d1"))
    pipeline.run_batch()
    (current,) = pipeline.config.current
    run_current(pipeline.config, current, run_id="run")
    write(pipeline, "a.json", ("1", "d2"), ("4", "d1"))
    replay(pipeline, "a.json")
    write(pipeline, "c.json", ("4", "d2"))
    pipeline.run_batch()

    counts = run_current(pipeline.config, current, run_id="run").counts

    names = ["order_id", "order_date", "payment_method"]
    found = read_delta(pipeline.config.current_location(current)).select(names)
    rows = {tuple(row.values()) for row in found.to_pylist()}
    newest = {
        ("1", "d2", "a.json"),
        ("2", "d5", "b.json"),
        ("3", "d1", "b.json"),
        ("4", "d2", "c.json"),
    }
    older = {("4", "d1", "a.json")} if scd_type == 2 else set()
    assert rows == newest | older
    assert found.num_rows == len(rows)
    # Of type 1 key 5; of type 2 the old rows of keys 1 and 2, too.
    assert counts["rows_removed"] == (1 if scd_type == 1 else 3)
