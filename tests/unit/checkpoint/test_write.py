from __future__ import annotations

import json
from pathlib import Path

import pytest

from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.write import clear_unplanned, give_query_id, write_adopting
from support.builders import START

OFFSET = '{"ledger": "a", "seq": 7}'


def test_first_query_id_stands(tmp_path: Path) -> None:
    """Of two very first drivers the second takes the first one's."""
    assert give_query_id(str(tmp_path))
    first = read_checkpoint(str(tmp_path))

    assert not give_query_id(str(tmp_path))
    assert read_checkpoint(str(tmp_path)) == first


def test_adopting_checkpoint_begins_where_it_ends(tmp_path: Path) -> None:
    """Its one micro-batch is done and has read nothing."""
    conf = {"spark.sql.shuffle.partitions": "2"}
    for _ in range(2):
        write_adopting(str(tmp_path), "query", OFFSET, conf=conf, at=START)

    facts = read_checkpoint(str(tmp_path))
    assert facts is not None
    assert (facts.query_id, facts.last_planned, facts.last_committed) == ("query", 0, 0)
    assert facts.offsets[0].adopts
    assert facts.offsets[0].conf.items() >= conf.items()
    assert facts.start_offsets(0) == facts.offsets[0].offsets == (OFFSET,)


def test_files_are_spelled_as_spark_spells_them(tmp_path: Path) -> None:
    """Spark reads the version first, and a line for each source."""
    write_adopting(str(tmp_path), "query", OFFSET, conf={}, at=START)

    version, metadata, offset = (tmp_path / "offsets/0").read_text().split("\n")
    assert (version, offset) == ("v1", OFFSET)
    assert json.loads(metadata)["batchTimestampMs"] == START.timestamp() * 1000
    assert (tmp_path / "commits/0").read_text() == 'v1\n{"nextBatchWatermarkMs": 0}'
    assert (tmp_path / "metadata").read_text() == '{"id":"query"}'


LEFT = ["offsets/.0.1b2c.tmp", "offsets/..0.1b2c.tmp.crc", "offsets/.0.crc"]


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], []),
        (["offsets/0"], [*LEFT, "offsets/0"]),
        (["commits/0"], [*LEFT, "commits/0"]),
        (["offsets/notes"], [*LEFT, "offsets/notes"]),
    ],
)
def test_only_what_was_never_planned_is_cleared(
    tmp_path: Path, others: list[str], expected: list[str]
) -> None:
    """Beside a batch Spark passes leftovers over; what is not one is not ours."""
    give_query_id(str(tmp_path))
    for name in [*LEFT, *others]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    clear_unplanned(str(tmp_path))

    found = [each for each in tmp_path.rglob("*") if each.is_file()]
    names = sorted(str(path.relative_to(tmp_path)) for path in found)
    assert names == sorted(["metadata", *expected])
