"""Every format of a checkpoint's log files, whole and damaged."""

from __future__ import annotations

import pytest

from sluice.checkpoint.parse import parse_commit_entry, parse_metadata, parse_offsets
from support.builders import commit_text, metadata_text, offsets_text

LEDGER_OFFSET = '{"ledger": "adc71fd5", "seq": 30}'


def test_metadata_holds_the_query_id() -> None:
    """Under this id the table keeps the query's transactions."""
    assert parse_metadata(metadata_text("c9e1")) == "c9e1"


def test_first_offset_format_has_a_line_per_source() -> None:
    """Spark 4.2 writes v1 by default; '-' is a source without an offset."""
    text = offsets_text(LEDGER_OFFSET, None, watermark_ms=5, timestamp_ms=7)
    entry = parse_offsets(3, text)
    assert (entry.batch_id, entry.version) == (3, 1)
    assert (entry.watermark_ms, entry.timestamp_ms) == (5, 7)
    assert entry.offsets == (LEDGER_OFFSET, None)
    assert entry.conf == {"spark.sql.shuffle.partitions": "2"}


def test_second_offset_format_names_its_sources() -> None:
    """An offset holds colons itself: only the first one ends the source's name."""
    entry = parse_offsets(0, offsets_text(LEDGER_OFFSET, None, version=2))
    assert (entry.version, entry.offsets) == (2, (LEDGER_OFFSET, None))


def test_sources_are_in_order_of_their_numbers() -> None:
    """As text, source 10 would come before source 2."""
    lines = [f"{number}:{number}" for number in (10, 2, 0)]
    text = offsets_text(version=2) + "\n" + "\n".join(lines)
    assert parse_offsets(0, text).offsets == ("0", "2", "10")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_commit_format_has_the_next_watermark(version: int) -> None:
    """v2 adds the state's ids and v3 the sinks; the watermark stays."""
    entry = parse_commit_entry(4, commit_text(1704073980000, version=version))
    assert (entry.batch_id, entry.version) == (4, version)
    assert entry.next_watermark_ms == 1704073980000


def test_every_proper_prefix_of_a_log_file_is_refused() -> None:
    """A file that was cut off anywhere must not read as a smaller truth."""
    text = offsets_text(LEDGER_OFFSET)
    for length in range(len(text)):
        with pytest.raises(ValueError, match=r"."):
            parse_offsets(0, text[:length])


def test_every_proper_prefix_of_a_commit_is_refused() -> None:
    """Only an empty object may follow the version, as Spark wrote long ago."""
    text = commit_text(1704073980000, version=2)
    for length in range(len(text)):
        with pytest.raises(ValueError, match=r"."):
            parse_commit_entry(0, text[:length])


def test_unknown_version_is_refused() -> None:
    """A format of a later Spark is not guessed at."""
    with pytest.raises(ValueError, match="v9"):
        parse_offsets(0, offsets_text(LEDGER_OFFSET).replace("v1", "v9"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id"'])
def test_damaged_metadata_is_refused(text: str) -> None:
    """Without its id the query would be taken for a new one."""
    with pytest.raises(ValueError, match=r"."):
        parse_metadata(text)


def test_second_format_without_names_is_refused() -> None:
    """A line without a source id belongs to no source."""
    with pytest.raises(ValueError, match="source id"):
        parse_offsets(0, offsets_text(version=2) + "\n7")
