"""The differences between a file and the one that was discovered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sluice.ledger.verify import what_changed
from sluice.model import LedgerFile
from sluice.storage import FileStatus

MOMENT = datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def changed(
    path: str, *, size: int = 7, later: timedelta = timedelta(0), etag: str | None = "a"
) -> str | None:
    """Return how a file differs from the one discovered with 7 bytes and etag ``a``."""
    known = LedgerFile(1, path, 7, MOMENT, "a")
    return what_changed(known, FileStatus(size, MOMENT + later, etag))


@pytest.mark.parametrize("path", ["/in/a", "s3://bucket/a"])
def test_same_file_has_not_changed(path: str) -> None:
    """A false alarm would stop a run, or keep a good file out."""
    assert changed(path) is None


@pytest.mark.parametrize(
    ("difference", "reported"),
    [
        ({"size": 8}, "had 7 bytes when discovered, now 8"),
        ({"etag": "b"}, "had etag a when discovered, now b"),
        (
            {"later": timedelta(seconds=-1)},
            "was modified at 2026-01-01T12:00:00.250000+00:00 when discovered, "
            "now at 2026-01-01T11:59:59.250000+00:00",
        ),
    ],
)
def test_each_difference_is_reported(difference: dict, reported: str) -> None:
    """The message must show what the writer did."""
    assert changed("s3://bucket/a", **difference) == reported


def test_all_differences_are_reported() -> None:
    """The first alone may mislead."""
    reported = changed("/in/a", size=8, etag="b") or ""
    assert reported.count("when discovered") == 2


def test_disk_has_microseconds_and_a_bucket_seconds() -> None:
    """A listing may have milliseconds that the answer for one object rounds away."""
    tick = timedelta(microseconds=1)
    assert changed("/in/a", later=tick)
    assert changed("s3://bucket/a", later=timedelta(microseconds=-250_000)) is None
    assert changed("s3://bucket/a", later=timedelta(seconds=1))


def test_etag_is_compared_where_both_have_one() -> None:
    """A disk has none, and a ledger may be older than its store's etags."""
    assert changed("s3://bucket/a", etag=None) is None
