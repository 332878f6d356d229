"""Facts from a checkpoint of Spark Structured Streaming, without Spark."""

from sluice.checkpoint.parse import CommitEntry, OffsetEntry
from sluice.checkpoint.read import CheckpointFacts, measure_checkpoint, read_checkpoint

__all__ = [
    "CheckpointFacts",
    "CommitEntry",
    "OffsetEntry",
    "measure_checkpoint",
    "read_checkpoint",
]
