"""What every run did, kept without end as Delta tables under ``ops``."""

from sluice.history.archive import archive_history
from sluice.history.counts import count_batches
from sluice.history.steps import latest_start, read_steps, record_step

__all__ = [
    "archive_history",
    "count_batches",
    "latest_start",
    "read_steps",
    "record_step",
]
