"""What any pipeline is: named queries, each with source, checkpoint and table.

A pipeline file is one (``config``), and so is a stream that has none (``history``).
Code that asks for this, and no more, needs neither a landing folder nor a YAML file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class LandedFiles:
    """Landed files, in the order of the ledger; ``location`` is the schema folder."""

    location: str


@dataclass(frozen=True)
class TableRows:
    """Rows of the Delta table at ``location``, in the order of its versions."""

    location: str


@dataclass(frozen=True)
class OtherSource:
    """What a query reads that no pipeline started: its offsets are only counted."""

    location: str = ""


Source = LandedFiles | TableRows | OtherSource
"""What a query reads. A ``match`` over it ends in ``assert_never``, so that the type
checker names each place that has to be thought of when a source is added."""


@dataclass(frozen=True)
class Query:
    """One streaming query; ``name`` is ``bronze``, or the name of its silver table.

    ``definition``, as JSON, is what its state depends on; empty where it keeps none.
    ``quarantine`` is the table of rows that violate a rule and so are not in ``table``,
    if any did; ``has_rules`` says if rows are held against rules now.
    """

    name: str
    checkpoint: str
    table: str
    source: Source = OtherSource()
    definition: str = ""
    quarantine: str | None = None
    has_rules: bool = False


class Pipeline(Protocol):
    """A pipeline as history and rules see it."""

    @property
    def name(self) -> str:
        """The name under which the archive keeps its batches."""

    @property
    def queries(self) -> Sequence[Query]:
        """Its queries in the order in which data passes them; bronze is the first."""

    def ops_location(self, table: str) -> str:
        """Return where the operational Delta table ``table`` is."""
