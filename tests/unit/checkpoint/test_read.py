"""A checkpoint's folder: what is there, what is not, what is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.checkpoint import CheckpointFacts, read_checkpoint
from sluice.checkpoint import read as module
from sluice.errors import Condition, FatalError
from support.builders import CheckpointBuilder


def read(checkpoint: CheckpointBuilder) -> CheckpointFacts:
    """Read a checkpoint that is there."""
    facts = read_checkpoint(str(checkpoint.location))
    assert facts is not None
    return facts


@pytest.fixture
def checkpoint(tmp_path: Path) -> CheckpointBuilder:
    """Return a checkpoint with batches 0 and 1 done and 2 planned."""
    checkpoint = CheckpointBuilder(tmp_path / "cp")
    for batch in range(3):
        checkpoint.plan(batch, str(batch + 10))
    for batch in range(2):
        checkpoint.commit(batch, next_watermark_ms=batch)
    return checkpoint


def test_checkpoint_lists_its_batches(checkpoint: CheckpointBuilder) -> None:
    """Query id, offsets and commits are what every other fact hangs on."""
    facts = read(checkpoint)
    assert facts.query_id == checkpoint.query_id
    assert sorted(facts.offsets) == [0, 1, 2]
    assert sorted(facts.commits) == [0, 1]
    assert (facts.last_planned, facts.last_committed, facts.uncommitted) == (2, 1, 2)


def test_nothing_is_uncommitted_after_a_clean_run(
    checkpoint: CheckpointBuilder,
) -> None:
    """The batch that Spark would repeat is only one without a commit."""
    checkpoint.commit(2)
    assert read(checkpoint).uncommitted is None


def test_batch_that_is_done_meanwhile_is_known_with_its_offsets(
    checkpoint: CheckpointBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query may run between two listings; a commit alone would look like loss."""
    listing = module._batches

    def slow(location: str, log: str) -> list[int]:
        found = listing(location, log)
        if 3 not in listing(location, "offsets"):
            checkpoint.commit(2)
            checkpoint.plan(3, "13")
            checkpoint.commit(3)
        return found

    monkeypatch.setattr(module, "_batches", slow)
    facts = read(checkpoint)

    assert set(facts.commits) <= set(facts.offsets)


def test_batch_starts_where_the_one_before_ended(
    checkpoint: CheckpointBuilder,
) -> None:
    """Spark logs ends only; the first batch starts at nothing."""
    facts = read(checkpoint)
    assert facts.start_offsets(0) == (None,)
    assert facts.start_offsets(2) == ("11",)


def test_start_is_unknown_where_the_batch_before_is_purged(
    checkpoint: CheckpointBuilder,
) -> None:
    """Spark keeps a hundred batches; a start must not be made up."""
    checkpoint.remove("offsets/0")
    assert read(checkpoint).start_offsets(1) is None


def test_drafts_and_checksums_do_not_count(checkpoint: CheckpointBuilder) -> None:
    """Spark writes a draft first and renames it; a kill leaves the draft."""
    folder = checkpoint.location / "offsets"
    (folder / ".3.6f24144b.tmp").write_text("v1\n{")
    (folder / "3.6f24144b.tmp").write_text("v1\n{")
    assert sorted(read(checkpoint).offsets) == [0, 1, 2]


def test_absent_checkpoint_is_none_and_makes_no_folder(tmp_path: Path) -> None:
    """Looking must not leave anything behind that Spark would then find."""
    location = tmp_path / "none"
    assert read_checkpoint(str(location)) is None
    assert not location.exists()


def test_missing_metadata_leaves_the_query_unknown(
    checkpoint: CheckpointBuilder,
) -> None:
    """Logs without an id are damage, not an absent checkpoint."""
    checkpoint.remove("metadata")
    assert read(checkpoint).query_id is None


def test_all_damaged_files_are_named_at_once(checkpoint: CheckpointBuilder) -> None:
    """One refusal for each file would waste a night."""
    checkpoint.write("offsets/1", "v1\n{")
    checkpoint.write("commits/0", "")
    with pytest.raises(FatalError) as caught:
        read_checkpoint(str(checkpoint.location))
    assert caught.value.condition is Condition.CHECKPOINT_UNREADABLE
    assert caught.value.context["files"] == ["commits/0", "offsets/1"]


def test_bytes_that_are_no_text_are_damage(checkpoint: CheckpointBuilder) -> None:
    """A disk may give back anything."""
    (checkpoint.location / "metadata").write_bytes(b"\xff\xfe")
    with pytest.raises(FatalError, match="metadata"):
        read_checkpoint(str(checkpoint.location))
