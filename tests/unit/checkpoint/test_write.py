from __future__ import annotations

import json
from pathlib import Path

from builders import START
from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.write import give_query_id, write_adopting

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
