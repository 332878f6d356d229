"""Late rows of a silver table, as far back as a watermark can be judged by them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from sluice.config import PipelineConfig, SilverConfig
from sluice.history.late import read_late_by
from sluice.rules.facts import LateFacts
from sluice.times import parse_duration

# Long enough to know a weekend.
_DAYS = 7


def read_late(config: PipelineConfig, silver: SilverConfig) -> LateFacts:
    """Return the late rows of the last days, and the watermark as it is now."""
    since = datetime.now(UTC) - timedelta(days=_DAYS)
    watermark = math.ceil(parse_duration(silver.watermark) / timedelta(minutes=1))
    late = read_late_by(config, silver.name, since=since)
    return LateFacts(watermark, late, _DAYS)
