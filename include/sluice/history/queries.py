"""The streaming queries of a pipeline, each with its checkpoint and its table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluice.config import PipelineConfig

BRONZE = "bronze"


@dataclass(frozen=True)
class Query:
    """One streaming query; ``name`` is ``bronze``, or the name of its silver table."""

    name: str
    checkpoint: str
    table: str

    @property
    def reads_ledger(self) -> bool:
        """Whether the query's offsets are seqs of the ledger."""
        return self.name == BRONZE


def list_queries(config: PipelineConfig) -> list[Query]:
    """Return the queries of a pipeline in the order in which data passes them."""
    bronze = Query(BRONZE, config.bronze_checkpoint_location, config.bronze_location)
    silver = [
        Query(
            each.name,
            config.silver_checkpoint_location(each),
            config.silver_location(each),
        )
        for each in config.silver
    ]
    return [bronze, *silver]
