"""The streaming queries of a pipeline, each with its checkpoint and its table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluice.config import PipelineConfig, SilverConfig

BRONZE = "bronze"


@dataclass(frozen=True)
class Query:
    """One streaming query; ``name`` is ``bronze``, or the name of its silver table.

    ``source`` is what it reads from: the schema folder with the ledger, or bronze.
    """

    name: str
    checkpoint: str
    table: str
    source: str = ""

    @property
    def reads_ledger(self) -> bool:
        """Whether the query's offsets are seqs of the ledger."""
        return self.name == BRONZE


def list_queries(config: PipelineConfig) -> list[Query]:
    """Return the queries of a pipeline in the order in which data passes them."""
    bronze = Query(
        BRONZE,
        config.bronze_checkpoint_location,
        config.bronze_location,
        config.schema_location,
    )
    return [bronze, *(silver_query(config, each) for each in config.silver)]


def silver_query(config: PipelineConfig, silver: SilverConfig) -> Query:
    """Return the query of one silver table."""
    return Query(
        silver.name,
        config.silver_checkpoint_location(silver),
        config.silver_location(silver),
        config.bronze_location,
    )
