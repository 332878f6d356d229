"""What the four sides say, each read from its own source; the checks compare them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sluice.checkpoint import CheckpointFacts
from sluice.history.batch import Batch
from sluice.history.queries import Query
from sluice.model import Claim, LedgerFile
from sluice.rules.removals import Removals


@dataclass(frozen=True)
class LandedFile:
    """One file of the landing folder; ``records`` is None where it cannot be counted.

    ``arrived`` is when it came under its name, which a copied time of its last change,
    ``modified``, hides; with ``minFileAge``, when it was old enough. The options on
    modification times have a file that is ``passed_over`` not be discovered.
    """

    path: str
    size: int
    modified: datetime
    arrived: datetime
    records: int | None
    error: str | None = None
    passed_over: bool = False


@dataclass(frozen=True)
class Written:
    """The rows of a file in the commit that added them; None where nobody counted."""

    rows: int | None
    version: int


@dataclass(frozen=True)
class LedgerFacts:
    """What the ledger says; ``claims`` is None where that table is gone.

    ``looked_at`` is the newest moment at which a discovery is known to have begun. The
    rows of the files in ``replayed`` are those that they had when they were read again,
    and of these none is ``quarantined`` any more. Those in ``archived`` were taken out
    of the landing folder by ``cleanSource``. Files up to ``first_seq`` were there
    before the stream and are not read. Where it ``keeps_versions``, a path may have
    several rows; those in ``replaced`` were written over before they were read.
    ``written`` tells of files that are in the table.
    """

    ledger_id: str
    files: tuple[LedgerFile, ...]
    claims: tuple[Claim, ...] | None
    quarantined: Mapping[int, str]
    looked_at: datetime | None
    replayed: frozenset[int] = frozenset()
    archived: frozenset[int] = frozenset()
    first_seq: int = 0
    keeps_versions: bool = False
    replaced: Mapping[int, str] = field(default_factory=dict)
    written: Mapping[int, Written] = field(default_factory=dict)

    @property
    def high_seq(self) -> int:
        """The highest seq that a file has."""
        return max((file.seq for file in self.files), default=0)


@dataclass(frozen=True, kw_only=True)
class QueryFacts:
    """What the checkpoint, the archive and the table's log say of one query.

    ``transactions`` gives the table version of each batch whose commit is still in the
    log, which begins at ``log_from``; ``newest_transaction`` outlives the log.
    ``removals`` are the commits that took rows of a version out of the table again.
    """

    query: Query
    checkpoint: CheckpointFacts | None
    live: tuple[Batch, ...] = ()
    archived: tuple[Batch, ...] = ()
    transactions: Mapping[int, int] = field(default_factory=dict)
    newest_transaction: int | None = None
    log_from: int | None = None
    table_exists: bool = False
    damage: str | None = None
    table_damage: str | None = None
    taken_back: str | None = None
    removals: Removals = field(default_factory=dict)

    @property
    def batches(self) -> dict[int, Batch]:
        """Every batch of the present checkpoint by id; the checkpoint's word wins."""
        return {each.batch_id: each for each in (*self.archived, *self.live)}

    @property
    def is_readable(self) -> bool:
        """Whether checkpoint and table could be read."""
        return self.damage is None and self.table_damage is None


@dataclass(frozen=True)
class Duplicates:
    """Keys that come more than once in a table: how many, and a few of them.

    ``missing`` names key columns that the table does not have.
    """

    keys: int = 0
    examples: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AuditFacts:
    """The four sides of one pipeline, and its silver tables.

    Of the paths in ``table_rows``, those that are ``foreign`` came by another writer.
    """

    pipeline: str
    landing_location: str
    landing: Mapping[str, LandedFile] | None
    ledger: LedgerFacts | None
    ledger_damage: str | None = None
    bronze: QueryFacts
    table_rows: Mapping[str | None, int]
    foreign: frozenset[str | None] = frozenset()
    silver: tuple[QueryFacts, ...] = ()
    duplicate_keys: Duplicates = Duplicates()
    duplicate_windows: Mapping[str, Duplicates] = field(default_factory=dict)
