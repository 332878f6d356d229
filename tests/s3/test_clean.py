"""Cleaning a landing folder in a bucket, where a file cannot be renamed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from sluice import storage
from sluice.cleanup.proof import ClaimsProver
from sluice.cleanup.removal import removal_for
from sluice.cleanup.run import Cleaned, Cleaning, clean_source
from sluice.discovery.listing import list_landed
from sluice.ledger.events import EventKind
from sluice.ledger.ledger import Ledger
from sluice.model import LedgerFile, SeqRange
from sluice.options.options import CloudFilesOptions, parse_options

pytestmark = [pytest.mark.needs_s3, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Stream:
    """A stream over the prefix ``landing`` of a bucket, its ledger in the bucket."""

    bucket: str
    mode: str = "MOVE"

    @property
    def options(self) -> CloudFilesOptions:
        """Its options."""
        return parse_options(
            {
                "path": f"{self.bucket}/landing",
                "cloudFiles.format": "json",
                "cloudFiles.schemaLocation": f"{self.bucket}/schemas",
                "cloudFiles.cleanSource": self.mode,
                "cloudFiles.cleanSource.moveDestination": f"{self.bucket}/archive",
            }
        )

    @property
    def ledger(self) -> Ledger:
        """Its ledger."""
        return Ledger.open_or_create(self.options.schema_location)

    def plan(self) -> None:
        """Discover what has landed and claim it."""
        ledger = self.ledger
        ledger.append_new(list_landed(self.options), run_id="run-1")
        start = ledger.claimed_up_to()
        ledger.claim(SeqRange(start, ledger.high_seq()), run_id="run-1")

    def clean(self) -> Cleaned:
        """Clean as in two months."""
        return clean_source(
            Cleaning(
                ledger=self.ledger,
                options=self.options,
                prover=ClaimsProver(self.ledger, self.ledger.claimed_up_to()),
                by="stream",
                run_id="run-1",
                now=datetime.now(UTC) + timedelta(days=60),
            )
        )

    def keys(self, prefix: str) -> list[str]:
        """Return the names below a prefix that a listing shows."""
        return storage.list_keys(f"{self.bucket}/{prefix}")

    def locations(self) -> list[str | None]:
        """Return where the ledger says that files have gone."""
        events = self.ledger.events(EventKind.ARCHIVED)
        return [json.loads(each.detail)["location"] for each in events]

    def first(self) -> LedgerFile:
        """Return the first file of the ledger."""
        return self.ledger.files()[0]


@pytest.fixture
def stream(bucket: str) -> Stream:
    """Return a stream that has read ``sub/a.json`` and goes on with ``b.json``."""
    stream = Stream(bucket)
    storage.put(bucket, "landing/sub/a.json", b"{}\n")
    stream.plan()
    storage.put(bucket, "landing/b.json", b"{}\n")
    stream.plan()
    return stream


def test_committed_object_is_moved(stream: Stream) -> None:
    """It keeps its place below the folder, and the ledger says where it is."""
    assert dict(stream.clean().counts) == {"cleaned": 1}
    assert stream.keys("landing") == ["b.json"]
    assert stream.keys("archive") == ["sub/a.json"]
    assert stream.locations() == [f"{stream.bucket}/archive/sub/a.json"]


def test_committed_object_is_deleted(stream: Stream) -> None:
    """After the 30 days that are the default."""
    deleting = Stream(stream.bucket, "DELETE")
    assert dict(deleting.clean().counts) == {"cleaned": 1}
    assert stream.keys("landing") == ["b.json"]
    assert stream.locations() == [None]


def test_name_that_was_used_again_is_not_touched(stream: Stream) -> None:
    """The etag differs, also where the size is the same."""
    storage.put(stream.bucket, "landing/sub/a.json", b"[]\n")
    assert dict(stream.clean().counts) == {"changed": 1}
    assert stream.keys("landing") == ["b.json", "sub/a.json"]


def test_object_that_changes_after_the_proof_is_not_touched(stream: Stream) -> None:
    """It is compared again in the moment before it goes."""
    file = stream.first()
    storage.put(stream.bucket, "landing/sub/a.json", b"[]\n")
    removal = removal_for(f"{stream.bucket}/landing", stream.ledger.ledger_id)
    assert not removal.take(file)
    removal.finish(file)
    assert stream.keys("landing") == ["b.json", "sub/a.json"]


def test_move_that_was_cut_off_after_the_copy_is_finished(stream: Stream) -> None:
    """The copy is recognised by its content, and no second one is made."""
    file = stream.first()
    removal = removal_for(f"{stream.bucket}/landing", stream.ledger.ledger_id)
    removal.keep(file, f"{stream.bucket}/archive")
    assert stream.keys("landing") == ["b.json", "sub/a.json"]
    assert dict(stream.clean().counts) == {"cleaned": 1}
    assert stream.keys("landing") == ["b.json"]
    assert stream.keys("archive") == ["sub/a.json"]


def test_key_that_is_taken_is_never_overwritten(stream: Stream) -> None:
    """The object gets a second name, and the ledger says which."""
    storage.put(stream.bucket, "archive/sub/a.json", b"another's")
    assert dict(stream.clean().counts) == {"cleaned": 1}
    assert storage.read(stream.bucket, "archive/sub/a.json") == b"another's"
    (location,) = stream.locations()
    assert location is not None
    assert storage.read_file(location) == b"{}\n"
