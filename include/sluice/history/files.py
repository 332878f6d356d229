"""Every file of the ledger with what became of it; a state is derived, never kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from sluice.checkpoint import CheckpointFacts, LedgerOffset, read_checkpoint
from sluice.delta.log import open_table
from sluice.delta.tables import read_table
from sluice.history.archive import QueryHistory
from sluice.history.readings import (
    READINGS_SCHEMA,
    archived_readings,
    find_not_archived,
    newer_readings,
    newest_readings,
    replay_readings,
)
from sluice.history.rows import has_source_file
from sluice.history.states import (
    FILE_STATES_SCHEMA,
    Happened,
    InFlight,
    Outcomes,
    derive_states,
)
from sluice.ledger.claims import CLAIMS_SCHEMA
from sluice.ledger.damage import damage_named
from sluice.ledger.events import EventKind, newest_events
from sluice.ledger.files import FilesSnapshot
from sluice.ledger.ledger import Ledger
from sluice.model import FileState, SeqRange
from sluice.paths import join
from sluice.pipeline import LandedFiles

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from sluice.pipeline import Pipeline

# So many files are put together at a time: a ledger may hold tens of millions.
CHUNK_FILES = 500_000
_LEDGER_COLUMNS = (
    "seq",
    "path",
    "size",
    "modified",
    "etag",
    "discovered_at",
    "run_id",
)


@dataclass(frozen=True, kw_only=True)
class FileFilter:
    """Which files to return: None is no condition, ``limit`` keeps the newest.

    ``takes`` says of a path whether its file is wanted (see ``path_filter``).
    """

    state: FileState | None = None
    takes: Callable[[str], bool] | None = None
    limit: int | None = None


EVERY_FILE = FileFilter()


@dataclass(frozen=True)
class FileRow:
    """One file of the ledger; what is not known, or not yet, is None."""

    seq: int
    path: str
    size: int
    modified_at: datetime
    state: FileState
    batch_id: int | None = None
    table_version: int | None = None
    rows: int | None = None
    rescued_rows: int | None = None
    dropped_records: int | None = None
    quarantined_rows: int | None = None
    error: str | None = None
    etag: str | None = None
    discovered_at: datetime | None = None
    discovery_run_id: str | None = None
    claim_run_id: str | None = None
    query_id: str | None = None
    commit_time: datetime | None = None
    archived_at: datetime | None = None
    move_location: str | None = None


def list_files(pipeline: Pipeline, wanted: FileFilter = EVERY_FILE) -> list[FileRow]:
    """Return files of a pipeline's ledger by seq, an object each: see ``file_states``.

    Raises:
        FatalError: the ledger, the checkpoint or the table's log is damaged.
    """
    found = file_states(pipeline, wanted).to_pylist()
    return [FileRow(**row | {"state": FileState(row["state"])}) for row in found]


def file_states(pipeline: Pipeline, wanted: FileFilter = EVERY_FILE) -> pa.Table:
    """Return the files of a pipeline's ledger in ``FILE_STATES_SCHEMA``, by seq.

    Raises:
        FatalError: the ledger, the checkpoint or the table's log is damaged.
    """
    source = pipeline.queries[0].source
    ledger = Ledger.open(source.location) if isinstance(source, LandedFiles) else None
    if ledger is None:
        return FILE_STATES_SCHEMA.empty_table()
    with damage_named(ledger.root):
        return FileStates(pipeline, ledger).select(wanted)


class FileStates:
    """The states of a ledger's files; what holds for all of them is read once.

    ``claims`` are those of the ledger in ``CLAIMS_SCHEMA``, None where that table is
    gone.
    """

    def __init__(self, pipeline: Pipeline, ledger: Ledger) -> None:
        self._pipeline, self._ledger = pipeline, ledger
        self._archive = open_table(pipeline.ops_location("batch_files"))
        self.claims = _read_claims(ledger)
        claims = CLAIMS_SCHEMA.empty_table() if self.claims is None else self.claims
        self._outcomes, self._newer = _read_outcomes(
            pipeline, ledger, claims, self._archive
        )

    def select(
        self, wanted: FileFilter = EVERY_FILE, snapshot: FilesSnapshot | None = None
    ) -> pa.Table:
        """Return the files asked for in ``FILE_STATES_SCHEMA``, by seq.

        ``snapshot`` has the ledger's files if it is open already.
        """
        snapshot = snapshot or self._ledger.snapshot()
        chunks = list(_chunks(self, snapshot, wanted))
        return pa.concat_tables([FILE_STATES_SCHEMA.empty_table(), *reversed(chunks)])

    def within(
        self, within: SeqRange, snapshot: FilesSnapshot | None = None
    ) -> pa.Table:
        """Return the files of a range in ``FILE_STATES_SCHEMA``, by seq.

        ``snapshot`` has that range if it is open already.
        """
        happened = self._read_happened(within)
        files = _read_files(snapshot or self._ledger.snapshot(), within)
        return derive_states(files, happened, self._outcomes)

    def _read_happened(self, within: SeqRange) -> Happened:
        ledger = self._ledger
        events = join(ledger.root, "events")
        bounds = {"after": within.start, "up_to": within.end}
        replayed = newest_events(events, EventKind.REPLAYED, **bounds)
        archived = archived_readings(self._pipeline, ledger, within, self._archive)
        return Happened(
            readings=newest_readings(archived, self._newer),
            replays=replay_readings(replayed),
            moved=newest_events(events, EventKind.ARCHIVED, **bounds),
        )


def to_json(row: FileRow) -> dict[str, Any]:
    """Return a file in the shape that ``sluice files --json`` promises."""
    return {**vars(row), "state": row.state.value}


def _chunks(
    states: FileStates, snapshot: FilesSnapshot, wanted: FileFilter
) -> Iterator[pa.Table]:
    """Yield the files asked for, the newest part of the ledger first."""
    missing = wanted.limit
    for within in _newest_first(snapshot.high, wanted):
        found = states.within(within, snapshot)
        found = _select(found, wanted)
        if missing is not None:
            found = found.slice(max(found.num_rows - missing, 0))
            missing -= found.num_rows
        yield found
        if missing == 0:
            return


def _newest_first(high: int, wanted: FileFilter) -> Iterator[SeqRange]:
    is_all = wanted.state is None and wanted.takes is None
    size = min(wanted.limit or CHUNK_FILES, CHUNK_FILES) if is_all else CHUNK_FILES
    for end in range(high, 0, -size):
        yield SeqRange(max(end - size, 0), end)


def _read_outcomes(
    pipeline: Pipeline, ledger: Ledger, claims: pa.Table, archive: DeltaTable | None
) -> tuple[Outcomes, pa.Table]:
    """Read what is known of all files, and the readings that are not archived yet."""
    bronze = pipeline.queries[0]
    checkpoint = read_checkpoint(bronze.checkpoint)
    in_flight: list[InFlight] = []
    newer, ingested = READINGS_SCHEMA.empty_table(), 0
    if checkpoint is not None:
        history = QueryHistory(pipeline, bronze, checkpoint)
        planned = find_not_archived(history, archive)
        if planned:
            history = replace(history, counts_rows=_counts_rows(bronze.table))
        in_flight = [
            InFlight(history.query_id, each.batch.batch_id, each.batch.seq_range)
            for each in planned
            if each.batch.seq_range and not each.batch.is_done
        ]
        newer = newer_readings(history, planned)
        ingested = _committed_up_to(checkpoint, ledger)
    outcomes = Outcomes(
        claims=claims,
        in_flight=in_flight,
        ingested_up_to=ingested,
        skipped_up_to=ledger.first_seq(),
        left_out=ledger.left_out(),
    )
    return outcomes, newer


def _read_files(snapshot: FilesSnapshot, within: SeqRange) -> pa.Table:
    where = f"seq > {within.start} and seq <= {within.end}"
    return read_table(
        snapshot.table, columns=_LEDGER_COLUMNS, where=where, order_by="seq"
    )


def _read_claims(ledger: Ledger) -> pa.Table | None:
    table = open_table(join(ledger.root, "claims"))
    if table is None:
        return None
    return read_table(table, order_by="end_seq").cast(CLAIMS_SCHEMA)


def _counts_rows(location: str) -> bool:
    """Return True if a table has the column by which its rows are counted by file."""
    table = open_table(location)
    return table is None or has_source_file(table)


def _committed_up_to(checkpoint: CheckpointFacts, ledger: Ledger) -> int:
    """Return the seq of the last file that the checkpoint has committed, 0 for none."""
    entry = checkpoint.offsets.get(
        -1 if checkpoint.last_committed is None else checkpoint.last_committed
    )
    end = entry.end if entry else None
    # The numbers of another ledger mean other files.
    if isinstance(end, LedgerOffset) and end.ledger_id == ledger.ledger_id:
        return end.seq
    return 0


def _select(files: pa.Table, wanted: FileFilter) -> pa.Table:
    if wanted.state is not None:
        files = files.filter(pc.equal(files["state"], wanted.state.value))
    if wanted.takes is not None:
        is_taken = map(wanted.takes, files["path"].to_pylist())
        files = files.filter(pa.array(is_taken, pa.bool_()))
    return files
