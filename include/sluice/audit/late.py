"""Late rows of a silver table, as far back as a watermark can be judged by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sluice.config import PipelineConfig, SilverConfig
from sluice.history.late import read_needed
from sluice.rules.facts import LateFacts

# Long enough to know a weekend.
_DAYS = 7


def read_late(config: PipelineConfig, silver: SilverConfig) -> LateFacts:
    """Return the late rows of the last days, and the watermark as it is now."""
    since = datetime.now(UTC) - timedelta(days=_DAYS)
    late = read_needed(config, silver.name, since=since)
    return LateFacts(silver.watermark, late, _DAYS)
