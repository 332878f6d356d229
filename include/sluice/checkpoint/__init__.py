"""Facts from a checkpoint of Spark Structured Streaming, without Spark."""

from sluice.checkpoint.offsets import (
    DeltaOffset,
    LedgerOffset,
    OtherOffset,
    parse_offset,
)
from sluice.checkpoint.parse import CommitEntry, OffsetEntry
from sluice.checkpoint.read import CheckpointFacts, read_checkpoint

__all__ = [
    "CheckpointFacts",
    "CommitEntry",
    "DeltaOffset",
    "LedgerOffset",
    "OffsetEntry",
    "OtherOffset",
    "parse_offset",
    "read_checkpoint",
]
