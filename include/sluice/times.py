"""Times are UTC: the one place where a text without an offset becomes so."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_utc(text: str) -> datetime:
    """Parse an ISO 8601 time; one without an offset is UTC.

    Raises:
        ValueError: the text is none.
    """
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
