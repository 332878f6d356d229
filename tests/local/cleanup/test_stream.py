"""A plain stream: its claims are all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluice.cleanup.stream import clean_stream
from sluice.discovery.listing import list_landed
from sluice.ledger.events import EventKind
from sluice.ledger.ledger import Ledger
from sluice.ledger.quarantine import QuarantinedFile
from sluice.model import CHAIN_START, SeqRange
from sluice.options.options import CloudFilesOptions, parse_options


@dataclass(frozen=True)
class Stream:
    """A stream over a landing folder, of which a test plays Spark's part."""

    folder: Path

    @property
    def options(self) -> CloudFilesOptions:
        """Its options: what it has is moved at once."""
        return parse_options(
            {
                "path": str(self.folder / "landing"),
                "cloudFiles.format": "json",
                "cloudFiles.schemaLocation": str(self.folder / "schemas"),
                "cloudFiles.cleanSource": "MOVE",
                "cloudFiles.cleanSource.retentionDuration": "0 seconds",
                "cloudFiles.cleanSource.moveDestination": str(self.folder / "archive"),
            }
        )

    @property
    def ledger(self) -> Ledger:
        """Its ledger."""
        return Ledger.open_or_create(self.options.schema_location)

    def land(self, name: str) -> None:
        """Land a file."""
        path = self.folder / "landing" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}\n")

    def plan(self) -> int:
        """Discover what has landed, claim it and return where the claim begins."""
        ledger = self.ledger
        ledger.append_new(list_landed(self.options), run_id="run-1")
        start = ledger.claimed_up_to()
        ledger.claim(SeqRange(start, ledger.high_seq()), run_id="run-1")
        return start

    def clean(self, read_up_to: int) -> None:
        """Clean as at the start of a micro-batch."""
        clean_stream(self.options, self.ledger, read_up_to)

    def landed(self) -> list[str]:
        """Return the names in the landing folder."""
        return sorted(each.name for each in (self.folder / "landing").glob("*.json"))


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    """Return a stream with one file in its first micro-batch."""
    stream = Stream(tmp_path)
    stream.land("a.json")
    stream.plan()
    return stream


def test_batch_is_cleaned_when_the_next_is_planned(stream: Stream) -> None:
    """Spark plans a micro-batch once the one before is in the sink, and not earlier."""
    stream.clean(CHAIN_START)
    assert stream.landed() == ["a.json"]
    stream.land("b.json")
    stream.clean(stream.plan())
    assert stream.landed() == ["b.json"]
    (event,) = stream.ledger.events(EventKind.ARCHIVED)
    assert Path(event.path).name == "a.json"


def test_stream_that_was_set_back_cleans_only_what_it_has_passed(
    stream: Stream,
) -> None:
    """Its claims say how far it once was, its start how far it is."""
    stream.land("b.json")
    stream.plan()
    stream.clean(CHAIN_START)
    assert stream.landed() == ["a.json", "b.json"]


def test_pipeline_cleans_by_itself(stream: Stream) -> None:
    """Its job has the proofs of its table; the source only reads."""
    stream.land("b.json")
    start = stream.plan()
    options = replace(stream.options, pipeline="orders")
    clean_stream(options, stream.ledger, start)
    assert stream.landed() == ["a.json", "b.json"]


def test_existing_files_that_are_not_read_stay(tmp_path: Path) -> None:
    """By ``includeExistingFiles=false`` their rows are in no table."""
    stream = Stream(tmp_path)
    stream.land("a.json")
    stream.ledger.append_new(list_landed(stream.options), run_id="run-1")
    stream.ledger.skip_existing()
    for name in ("b.json", "c.json"):
        stream.land(name)
        start = stream.plan()
    stream.clean(start)
    assert stream.landed() == ["a.json", "c.json"]


def test_file_in_quarantine_stays(stream: Stream) -> None:
    """It is in a claimed range, and none of its rows was written."""
    (file,) = stream.ledger.files()
    bad = QuarantinedFile(file.seq, file.path, "bad", "run-1", datetime.now(UTC))
    stream.ledger.quarantine(bad)
    stream.land("b.json")
    stream.clean(stream.plan())
    assert stream.landed() == ["a.json", "b.json"]
