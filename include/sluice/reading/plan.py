"""What a task must know to read its slices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

import pyarrow as pa

from sluice.columns import CORRUPT_RECORD, METADATA, RESCUED_DATA
from sluice.formats.base import Format
from sluice.formats.limits import Limits
from sluice.ledger.ledger import Ledger
from sluice.reading.dropped import DropBook
from sluice.reading.folders import folder_values
from sluice.reading.names import odd_names, plain_fields, short_fields


class NewFields(Enum):
    """What a record does that has fields which the schema does not have."""

    RESCUED = auto()
    REFUSED = auto()
    ADDED = auto()


@dataclass(frozen=True, kw_only=True)
class ReadPlan:
    """What a task must know to read: pickled with the reader, so values only.

    A file that is not the one discovered is recorded in the ``ledger``, if there is
    one, as replaced where the ledger ``keeps_versions``, and as bad where the plan
    ignores files of its kind: those that are gone, and those that hold what they
    should not. A plan that ``goes_on`` leaves out such a file at once, if none of its
    rows can be in another task or batch; otherwise the attempt fails.

    Malformed records are dropped where its ``book`` says so, and recorded there.

    Files must lie ``within`` these folders, links resolved; without any, links may
    lead anywhere.

    The folders below ``base`` that a file is in give its ``partition_columns``.

    New fields have types where the plan ``infers_types``, and are strings otherwise;
    those whose names are ``reserved`` are always rescued. A plan that ``widens`` does
    to types that are too narrow what it does to new fields.
    """

    format: Format
    output: pa.Schema
    limits: Limits = field(default_factory=Limits)
    rescued_column: str = RESCUED_DATA
    corrupt_column: str = CORRUPT_RECORD
    new_fields: NewFields = NewFields.RESCUED
    widens: bool = False
    infers_types: bool = True
    fail_on_malformed: bool = False
    ledger: Ledger | None = None
    book: DropBook | None = None
    ignores_missing: bool = False
    ignores_corrupt: bool = False
    goes_on: bool = False
    keeps_versions: bool = False
    shares_metadata: bool = False
    run_id: str = ""
    base: str = ""
    within: tuple[str, ...] = ()
    partition_columns: tuple[str, ...] = ()
    reserved: frozenset[str] = frozenset()
    taken: frozenset[str] = field(init=False)
    columns: pa.Schema = field(init=False)
    rescues: bool = field(init=False)

    def __post_init__(self) -> None:
        filled = {METADATA, self.rescued_column, self.corrupt_column}
        filled |= set(self.partition_columns)
        object.__setattr__(self, "taken", self.reserved | filled)
        columns = [
            each.with_nullable(True)  # noqa: FBT003 - pyarrow takes it so
            for each in self.output
            if each.name not in filled
        ]
        object.__setattr__(self, "columns", pa.schema(columns))
        drops = self.book is not None and self.book.drops
        looks = self.fail_on_malformed or self.new_fields is not NewFields.RESCUED
        rescues = drops or looks or self.keeps_rescued
        object.__setattr__(self, "rescues", rescues)
        self.format.require_columns(self.columns)

    @property
    def keeps_rescued(self) -> bool:
        """Whether the rows have a column of rescued data."""
        return self.rescued_column in self.output.names

    @property
    def takes_odd_names(self) -> bool:
        """Whether a new field may have a name that not every table takes.

        One that is added does where the schema has such names: its sink takes them.
        """
        adds = self.new_fields is NewFields.ADDED
        return not adds or any(odd_names(self.columns))

    def columns_of(self, fields: Iterable[pa.Field]) -> list[pa.Field]:
        """Return those of a file's fields, at every level, that may be columns."""
        short = short_fields(fields, self.limits.name_length)
        return short if self.takes_odd_names else plain_fields(short)

    def folder_values(self, path: str) -> dict[str, str | None]:
        """Return the text of each partition column that the path of a file has."""
        if not self.partition_columns:
            return {}
        found = folder_values(path, self.base)
        return {key: found[key] for key in self.partition_columns if key in found}
