"""Up to where a query's windows are closed, according to its logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sluice.checkpoint.read import CheckpointFacts

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Spark's watermark before there is one; it drops and closes by it all the same."""


def closed_up_to(facts: CheckpointFacts | None) -> datetime:
    """Return the watermark up to which windows are closed for good.

    It is that of the newest *committed* batch. The next one, planned or not, will still
    emit the windows between this watermark and its own.
    """
    if facts is None or facts.last_committed is None:
        return EPOCH
    return to_moment(facts.offsets[facts.last_committed].watermark_ms)


def to_moment(watermark_ms: int) -> datetime:
    """Return the moment that Spark's logs give in milliseconds."""
    return EPOCH + timedelta(milliseconds=watermark_ms)
