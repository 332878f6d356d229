"""What is known of a pipeline, each part from its own source; the rules compare it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sluice.checkpoint import CheckpointFacts
from sluice.history.batch import Batch
from sluice.ledger.ledger import LedgerHead
from sluice.model import Claim, LedgerFile
from sluice.pipeline import Query
from sluice.rules.removals import Removals


@dataclass(frozen=True)
class LandedFile:
    """One file of the landing folder; ``records`` is None where it cannot be counted.

    ``arrived`` is when it came under its name, which a copied time of its last change,
    ``modified``, hides; with ``minFileAge``, when it was old enough. The options on
    modification times have a file that is ``passed_over`` not be discovered. Of its
    records some were ``dropped``, as the ledger says, and some rows were ``set_aside``,
    in quarantine.
    """

    path: str
    size: int
    modified: datetime
    arrived: datetime
    records: int | None
    error: str | None = None
    passed_over: bool = False
    dropped: int = 0
    set_aside: int = 0

    @property
    def expected(self) -> int | None:
        """How many rows it must have in the table; None where that is unknown."""
        elsewhere = self.dropped + self.set_aside
        return None if self.records is None else self.records - elsewhere


@dataclass(frozen=True)
class Written:
    """The rows of a file in the commit that added them; None if not counted."""

    rows: int | None
    version: int
    rescued: int | None = None


@dataclass(frozen=True)
class LedgerFacts:
    """What the ledger says; ``claims`` is None where that table is gone.

    ``looked_at`` is the newest moment at which a discovery is known to have begun. The
    rows of the files in ``replayed`` are those that they had when they were read again,
    and of these none is ``quarantined`` any more. Those in ``archived`` were taken out
    of the landing folder by ``cleanSource``. Files up to ``first_seq`` were there
    before the stream and are not read. Where it ``keeps_versions``, a path may have
    several rows; those in ``replaced`` were written over before they were read.
    ``written`` has the files that are in the table, ``dropped`` how many records of a
    file are not, for they were malformed, and ``set_aside`` how many of its rows, which
    violate a rule and went to the table of the quarantine.
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
    dropped: Mapping[int, int] = field(default_factory=dict)
    set_aside: Mapping[int, int] = field(default_factory=dict)

    @property
    def high_seq(self) -> int:
        """The highest seq that a file has."""
        return max((file.seq for file in self.files), default=0)


@dataclass(frozen=True, kw_only=True)
class TableHead:
    """A table's newest version; ``newest_transaction`` is that of the query."""

    table_id: str
    version: int
    has_files: bool
    newest_transaction: int | None = None


@dataclass(frozen=True, kw_only=True)
class QueryFacts:
    """What a run knows of one query before it begins, without reading any rows.

    Each part is read once, in this order: the checkpoint, the table, what the query
    reads from, and ``planned_later``, the newest batch of an offset log that the table
    is ahead of, read again: the query may have gone on meanwhile.

    ``damage`` and its like say why a part cannot be read. ``taken_back`` is how the
    table lost rows of the query. Bronze reads from a ``ledger``, of whose claims
    ``later_claims`` begin at the checkpoint's end, counted only where the table is
    ahead; a silver table reads from the table ``source`` and keeps windows in a
    ``state``. ``expired`` is the commit that it reads next, where the log of its source
    no longer has it. How it was defined when that began is ``begun_as``; empty if
    unknown.
    """

    query: Query
    checkpoint: CheckpointFacts | None = None
    damage: str | None = None
    table: TableHead | None = None
    table_damage: str | None = None
    taken_back: str | None = None
    ledger: LedgerHead | None = None
    ledger_damage: str | None = None
    later_claims: int = 0
    source: TableHead | None = None
    source_damage: str | None = None
    expired: int | None = None
    has_state: bool = True
    begun_as: str = ""
    planned_later: int = -1

    @property
    def newest_transaction(self) -> int | None:
        """The newest batch of the query that its table has."""
        return self.table.newest_transaction if self.table else None

    @property
    def written(self) -> int:
        """The newest batch of the query that its table has, -1 before the first."""
        newest = self.newest_transaction
        return -1 if newest is None else newest

    @property
    def is_readable(self) -> bool:
        """Whether checkpoint and table could be read."""
        return self.damage is None and self.table_damage is None


@dataclass(frozen=True, kw_only=True)
class AuditedQuery(QueryFacts):
    """What the archive and the whole log of the table say of a query besides.

    ``transactions`` gives the table version of each batch whose commit is still in the
    log, which begins at ``log_from``. ``removals`` are the commits that took rows of a
    version out of the table again.
    """

    live: tuple[Batch, ...] = ()
    archived: tuple[Batch, ...] = ()
    transactions: Mapping[int, int] = field(default_factory=dict)
    log_from: int | None = None
    removals: Removals = field(default_factory=dict)

    @property
    def batches(self) -> dict[int, Batch]:
        """Every batch of the present checkpoint by id; the checkpoint's word wins."""
        return {each.batch_id: each for each in (*self.archived, *self.live)}


@dataclass(frozen=True)
class Duplicates:
    """Keys that come more than once in a table: how many, and a few of them.

    ``missing`` names key columns that the table does not have.
    """

    keys: int = 0
    examples: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class MostlyRescued:
    """A file of which most rows have rescued data; ``texts`` are some of them."""

    path: str
    format: str
    rows: int
    rescued: int
    texts: tuple[str, ...]


@dataclass(frozen=True)
class RescuedField:
    """Files with rescued values that the schema has a ``field`` for since a version."""

    field: str
    version: int
    paths: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SchemaFacts:
    """What the kept schemas say of a table, by names; a nested field is ``a.b``.

    - ``newest``, ``fields``: the newest version, and what it has;
    - ``ever``: what any version has;
    - ``table``: what the table has, without the columns that source and bronze add;
    - ``undone``: how many rows have values of a field that was undone;
    - ``rescued``: of which fields older rows have rescued values that would fit today.
    """

    newest: int
    fields: tuple[str, ...]
    ever: frozenset[str]
    table: tuple[str, ...]
    undone: Mapping[str, int] = field(default_factory=dict)
    rescued: tuple[RescuedField, ...] = ()


@dataclass(frozen=True)
class LateFacts:
    """Late rows of the last ``days`` by the watermark that had let them in.

    That is in minutes; ``watermark`` is the one that is set.
    """

    watermark: str
    by_minutes: Mapping[int, int]
    days: int


@dataclass(frozen=True)
class CurrentFacts:
    """Keys of a table of current rows that are ``twice`` in it.

    Of those that are ``missing`` bronze has a newer row. ``damage`` says why the table
    cannot be read, ``unfit`` why it is none of this definition and of this bronze.
    """

    missing: Duplicates = Duplicates()
    twice: Duplicates = Duplicates()
    damage: str | None = None
    unfit: str | None = None


@dataclass(frozen=True, kw_only=True)
class CompleteFacts:
    """Windows of a silver table that is computed whole which are ``twice`` in it.

    - ``damage``: why it cannot be read;
    - ``unfit``: why it does not fit to its source, or is none of ours;
    - ``changed_by``: the commit by which others changed rows behind ours;
    - ``waits_for``: the table whose newer rows it is yet to be computed from.
    """

    twice: Duplicates = Duplicates()
    damage: str | None = None
    unfit: str | None = None
    changed_by: str | None = None
    waits_for: str | None = None


@dataclass(frozen=True)
class FreshnessFacts:
    """How old the newest loaded file may be, ``limit``, and ``at`` which time."""

    limit: timedelta
    at: datetime


@dataclass(frozen=True)
class DriftFacts:
    """What the rows of the newest full hour may be of the median of the ``hours``."""

    hours: int
    at_least: float
    at_most: float
    at: datetime


@dataclass(frozen=True, kw_only=True)
class AuditFacts:
    """The four sides of one pipeline, and the tables made from bronze.

    Of the paths in ``table_rows``, those that are ``foreign`` came by another writer.
    ``quarantine_rows`` are those of the table of rows in quarantine, of
    which ``quarantine_damage`` says why it cannot be read. Those of the files in
    ``unsettled`` are yet to be replaced, after a replay.
    There is no ``schema`` where none is inferred, or the table is not there.
    """

    pipeline: str
    landing_location: str
    landing: Mapping[str, LandedFile] | None
    ledger: LedgerFacts | None
    ledger_damage: str | None = None
    bronze: AuditedQuery
    table_rows: Mapping[str | None, int]
    foreign: frozenset[str | None] = frozenset()
    quarantine_rows: Mapping[str | None, int] = field(default_factory=dict)
    quarantine_damage: str | None = None
    unsettled: frozenset[str] = frozenset()
    mostly_rescued: tuple[MostlyRescued, ...] = ()
    schema: SchemaFacts | None = None
    schema_damage: str | None = None
    silver: tuple[AuditedQuery, ...] = ()
    duplicate_keys: Duplicates = Duplicates()
    duplicate_windows: Mapping[str, Duplicates] = field(default_factory=dict)
    late: Mapping[str, LateFacts] = field(default_factory=dict)
    current: Mapping[str, CurrentFacts] = field(default_factory=dict)
    complete: Mapping[str, CompleteFacts] = field(default_factory=dict)
    freshness: FreshnessFacts | None = None
    drift: DriftFacts | None = None
