"""Read the four sides of a pipeline into facts; what is damaged becomes a fact too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from sluice.audit.complete import read_complete
from sluice.audit.counted import Known
from sluice.audit.current import read_current
from sluice.audit.duplicates import find_duplicates
from sluice.audit.landing import read_landing
from sluice.audit.late import read_late
from sluice.audit.rescued import read_mostly_rescued
from sluice.checkpoint import CheckpointFacts
from sluice.config import PipelineConfig
from sluice.delta.log import TableCommit, open_table, read_commits
from sluice.delta.tables import equal, read_table
from sluice.errors import FatalError
from sluice.history import latest_start
from sluice.history.batch import Batch, commits_by_batch, describe_batches
from sluice.history.batches import archived_by_query
from sluice.history.files import FileStates
from sluice.history.replays import FileRows, list_set_aside, list_unrecorded
from sluice.history.rows import rows_by_file
from sluice.ledger.claims import claims_of
from sluice.ledger.damage import damage_named
from sluice.ledger.events import EventKind, LedgerEvent
from sluice.ledger.files import VERSION_COLUMNS
from sluice.ledger.ledger import Ledger
from sluice.model import FileState, LedgerFile
from sluice.options.configured import source_options
from sluice.pipeline import Query
from sluice.rules.facts import (
    AuditedQuery,
    AuditFacts,
    CompleteFacts,
    CurrentFacts,
    DriftFacts,
    Duplicates,
    FreshnessFacts,
    LandedFile,
    LedgerFacts,
    MostlyRescued,
    QueryFacts,
    SchemaFacts,
    Written,
)
from sluice.rules.read import (
    Opened,
    look_at,
    open_or_damage,
    read_facts,
    read_or_damage,
)
from sluice.rules.removals import find_removals
from sluice.times import parse_duration
from sluice.versions import is_too_new

_Found = TypeVar("_Found")
# The ledger's time is taken after its listing, so a file that came in between is no
# miss. No listing takes this long.
_LISTING = timedelta(minutes=5)
_FOUND = "discovered_at"
_OF_THE_LEDGER = ("seq", *VERSION_COLUMNS, _FOUND)
_OF_A_FILE = ["seq", "state", "error", "rows", "rescued_rows", "table_version"]
_OF_A_FILE += ["dropped_records", "quarantined_rows"]


def gather_facts(config: PipelineConfig, known: Known | None = None) -> AuditFacts:
    """Read all four sides; no side's number is taken from another.

    Landed files of which the audit knows the records, by ``known``, are not read again.
    """
    archive = open_table(config.ops_location("batches"))
    archived = archived_by_query(config, archive)
    bronze, *silver = [
        add_history(each, partial(archived.__getitem__, each.query.name))
        for each in read_facts(config, config.queries, archive)
    ]
    ledger, ledger_damage = read_whole_ledger(config)
    no_rows: dict[str | None, int] = {}
    bronze, table = _open_table(bronze)
    bronze, table_rows = _read_rows(bronze, table, rows_by_file, no_rows)
    find_keys = partial(find_duplicates, keys=config.bronze.unique_key)
    bronze, keys = _read_rows(bronze, table, find_keys, Duplicates())
    in_quarantine, quarantine_damage = _read_quarantine(config)
    options = source_options(config)
    none: tuple[MostlyRescued, ...] = ()
    read_texts = partial(
        read_mostly_rescued, ledger=ledger, source_format=options.format.name
    )
    bronze, mostly_rescued = _read_rows(bronze, table, read_texts, none)
    bronze, schema, schema_damage = _read_schema(config, bronze, table)
    windows = {}
    for index, (facts, each) in enumerate(zip(silver, config.streamed, strict=True)):
        grouping = ["window_start", "window_end", *each.group_by]
        find_windows = partial(find_duplicates, keys=grouping)
        silver[index], windows[each.name] = _read_rows(
            *_open_table(facts), find_windows, Duplicates()
        )
    return AuditFacts(
        pipeline=config.called,
        landing_location=config.landing_location,
        landing=_without_missing(read_landing(options, known), ledger),
        ledger=ledger,
        ledger_damage=ledger_damage,
        bronze=bronze,
        table_rows=table_rows,
        mostly_rescued=mostly_rescued,
        schema=schema,
        schema_damage=schema_damage,
        foreign=_foreign_paths(config, ledger, table_rows),
        quarantine_rows=in_quarantine,
        quarantine_damage=quarantine_damage,
        unsettled=frozenset(
            file.path for each in list_set_aside(config) for file in each.files
        ),
        silver=tuple(silver),
        duplicate_keys=keys,
        duplicate_windows=windows,
        late={each.name: read_late(config, each) for each in config.streamed},
        current=_current(config),
        complete=_complete(config),
        freshness=_freshness(config),
        drift=_drift(config),
    )


def _current(config: PipelineConfig) -> dict[str, CurrentFacts]:
    found = {each.name: read_current(config, each) for each in config.current}
    return {name: facts for name, facts in found.items() if facts}


def _complete(config: PipelineConfig) -> dict[str, CompleteFacts]:
    found = {each.name: read_complete(config, each) for each in config.complete}
    return {name: facts for name, facts in found.items() if facts}


def _freshness(config: PipelineConfig) -> FreshnessFacts | None:
    limit = config.bronze.freshness
    return FreshnessFacts(parse_duration(limit), datetime.now(UTC)) if limit else None


def _drift(config: PipelineConfig) -> DriftFacts | None:
    asked = config.bronze.drift
    if asked is None:
        return None
    now = datetime.now(UTC)
    return DriftFacts(asked.hours, asked.at_least, asked.at_most, now)


def _without_missing(
    landing: dict[str, LandedFile] | None, ledger: LedgerFacts | None
) -> dict[str, LandedFile] | None:
    """Say of each landed file how much of its newest version is not in the table."""
    if not landing or ledger is None or not (ledger.dropped or ledger.set_aside):
        return landing
    seqs = {file.path: file.seq for file in ledger.files}

    def counted(path: str, counts: Mapping[int, int]) -> int:
        return counts.get(seqs.get(path, 0), 0)

    return {
        path: replace(
            each,
            dropped=counted(path, ledger.dropped),
            set_aside=counted(path, ledger.set_aside),
        )
        for path, each in landing.items()
    }


def _read_quarantine(
    config: PipelineConfig,
) -> tuple[Mapping[str | None, int], str | None]:
    """Count the rows in quarantine by file, or keep what made that impossible."""
    try:
        table = open_table(config.quarantine_location)
        return rows_by_file(table) if table else {}, None
    except (DeltaError, pa.ArrowException, OSError) as error:
        return {}, str(error)


def read_query(query: Query) -> AuditedQuery:
    """Read what a checkpoint, and its table if it is named, say of a query.

    Raises:
        FatalError: a newer release wrote the checkpoint.
    """
    checkpoint, damage = read_or_damage(query.checkpoint)
    opened = open_or_damage(query.table) if query.table else Opened()
    facts = look_at(query, checkpoint, opened)
    return add_history(replace(facts, damage=damage), list)


def add_history(facts: QueryFacts, archived: Callable[[], list[Batch]]) -> AuditedQuery:
    """Read what archive and log of the table know of a query besides."""
    audited = AuditedQuery(**vars(facts))
    if not facts.is_readable:
        return audited
    try:
        commits = read_commits(facts.query.table) if facts.query.table else []
    except FatalError as error:
        return replace(audited, table_damage=error.message)
    return _with_batches(audited, commits, archived() if facts.query.table else [])


def read_ledger(config: PipelineConfig) -> LedgerFacts | None:
    """Read what the ledger says, None where there is none."""
    ledger = Ledger.open(config.schema_location)
    if ledger is None:
        return None
    with damage_named(ledger.root):
        found, snapshot = FileStates(config, ledger), ledger.snapshot()
        states = found.select(snapshot=snapshot).select(_OF_A_FILE).to_pylist()
        # A row that no discovery numbered has no state.
        rows = read_table(snapshot.table, columns=_OF_THE_LEDGER, order_by="seq")
    again = [file for each in list_unrecorded(config) for file in each.files]
    events = ledger.events()
    return LedgerFacts(
        ledger_id=ledger.ledger_id,
        files=tuple(LedgerFile(**row) for row in rows.drop_columns(_FOUND).to_pylist()),
        claims=None if found.claims is None else tuple(claims_of(found.claims)),
        quarantined=_errors(states, FileState.QUARANTINED),
        replaced=_errors(states, FileState.REPLACED),
        written={
            row["seq"]: Written(row["rows"], row["table_version"], row["rescued_rows"])
            for row in states
            if row["table_version"] is not None
        },
        dropped=_counted(states, "dropped_records", again),
        set_aside=_counted(states, "quarantined_rows", again),
        looked_at=_looked_at(config, rows[_FOUND]),
        replayed=_seqs_of(events, EventKind.REPLAYED),
        archived=_seqs_of(events, EventKind.ARCHIVED),
        first_seq=ledger.first_seq(),
        keeps_versions=source_options(config).allow_overwrites,
    )


def _counted(
    states: Sequence[dict[str, Any]], column: str, again: Sequence[FileRows]
) -> dict[int, int]:
    """Count by seq; what was read ``again`` since has counts of its own."""
    counts = {row["seq"]: row[column] for row in states}
    counts |= {file.seq: getattr(file, column) for file in again}
    return {seq: count for seq, count in counts.items() if count}


def _errors(states: Sequence[dict[str, Any]], state: FileState) -> dict[int, str]:
    return {row["seq"]: row["error"] for row in states if row["state"] == state}


def _seqs_of(events: Iterable[LedgerEvent], kind: EventKind) -> frozenset[int]:
    mine = (each.seq for each in events if each.kind is kind)
    return frozenset(seq for seq in mine if seq is not None)


def _with_batches(
    facts: AuditedQuery, commits: list[TableCommit], archived: list[Batch]
) -> AuditedQuery:
    checkpoint = facts.checkpoint
    query_id = (checkpoint.query_id if checkpoint else None) or ""
    mine = commits_by_batch(commits, query_id)
    return replace(
        facts,
        live=tuple(_live(facts.query, checkpoint, archived)) if checkpoint else (),
        archived=tuple(each for each in archived if each.query_id == query_id),
        transactions={batch: commit.version for batch, commit in mine.items()},
        log_from=min((commit.version for commit in commits), default=None),
        removals=find_removals(commits),
    )


def _live(
    query: Query, checkpoint: CheckpointFacts, archived: Iterable[Batch]
) -> Iterable[Batch]:
    """Describe the checkpoint's batches; the archive knows where the oldest began."""
    first = min(checkpoint.offsets, default=0)
    starts = {
        each.batch_id: each.start_offsets
        for each in archived
        if each.query_id == checkpoint.query_id
    }
    return describe_batches(
        query.name, checkpoint, {}, after=first - 1, start=starts.get(first)
    )


def read_whole_ledger(
    config: PipelineConfig,
) -> tuple[LedgerFacts | None, str | None]:
    """Read the ledger, or keep what made that impossible."""
    try:
        return read_ledger(config), None
    except (DeltaError, pa.ArrowException, OSError, FatalError) as error:
        if is_too_new(error):
            raise
        return None, str(error)


def _looked_at(config: PipelineConfig, found: pa.ChunkedArray) -> datetime | None:
    started = latest_start(config, "bronze")
    newest = pc.max(found).as_py()
    moments = [started, newest - _LISTING if newest else None]
    return max((each for each in moments if each), default=None)


def _open_table(facts: AuditedQuery) -> tuple[AuditedQuery, DeltaTable | None]:
    """Open the query's table once for all reads of its rows, or keep the damage."""
    if facts.table is None or not facts.is_readable:
        return facts, None
    try:
        return facts, DeltaTable(facts.query.table)
    except (DeltaError, OSError) as error:
        return replace(facts, table_damage=str(error)), None


def _read_rows(
    facts: AuditedQuery,
    table: DeltaTable | None,
    read: Callable[[DeltaTable], _Found],
    absent: _Found,
) -> tuple[AuditedQuery, _Found]:
    """Read rows of the query's open table, or keep what made that impossible."""
    if table is None or not facts.is_readable:
        return facts, absent
    try:
        return facts, read(table)
    except (DeltaError, pa.ArrowException, OSError) as error:
        return replace(facts, table_damage=str(error)), absent


def _read_schema(
    config: PipelineConfig, facts: AuditedQuery, table: DeltaTable | None
) -> tuple[AuditedQuery, SchemaFacts | None, str | None]:
    """Read the kept schemas beside the table, or keep what made that impossible."""
    none: SchemaFacts | None = None
    if config.bronze.source.ddl is not None:
        return facts, None, None
    from sluice.audit.schemas import read_schema  # noqa: PLC0415 - loads pyspark

    try:
        return (*_read_rows(facts, table, partial(read_schema, config), none), None)
    except FatalError as error:
        return facts, None, error.message


def _foreign_paths(
    config: PipelineConfig,
    ledger: LedgerFacts | None,
    table_rows: Mapping[str | None, int],
) -> frozenset[str | None]:
    """Return the paths in the table that no archived micro-batch ever wrote."""
    known = {file.path for file in ledger.files} if ledger else set()
    unknown = frozenset(table_rows) - known
    archive = open_table(config.ops_location("batch_files")) if unknown else None
    if archive is None:
        return frozenset()
    columns = ["path"]
    mine = read_table(archive, columns=columns, where=equal(pipeline=config.name))
    return unknown - frozenset(mine["path"].to_pylist())
