"""Clean a pipeline's landing folder: its only reader, with the proofs of its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sluice.cleanup.proof import Committed, Unproven
from sluice.cleanup.readers import find_other_reader
from sluice.cleanup.run import Cleaning, clean_source
from sluice.columns import PROCESSING_DATE, SOURCE_FILE
from sluice.config import PipelineConfig
from sluice.delta.log import open_table
from sluice.delta.tables import any_of
from sluice.errors import Condition, FatalError, UsageError
from sluice.history import record_step
from sluice.history.batches import archived_batches
from sluice.history.rows import rows_by_file
from sluice.ledger.ledger import Ledger
from sluice.model import FileState, LedgerFile, SeqRange, StepSummary
from sluice.options.clean import CleanMode
from sluice.options.configured import source_options

if TYPE_CHECKING:
    from sluice.history.files import FileStates

STEP = "clean"
_UNPROVEN = {
    FileState.SKIPPED: Unproven.SKIPPED,
    FileState.QUARANTINED: Unproven.LEFT_OUT,
    FileState.REPLACED: Unproven.LEFT_OUT,
}


def require_only_reader(config: PipelineConfig) -> None:
    """Refuse to clean a landing folder that is also read by others of the lake.

    Where that is unknown the run goes on, and ``clean_landing`` lets all files stay.

    Raises:
        UsageError: the source is to be cleaned and has another reader.
    """
    mode = source_options(config).clean_source
    if mode is CleanMode.OFF:
        return
    try:
        other = find_other_reader(config)
    except (UsageError, FatalError):
        return
    if other:
        raise UsageError(
            Condition.CLEANING_REFUSED,
            f"pipeline {config.name!r}: cloudFiles.cleanSource is {mode}, and {other}; "
            "only a folder with one reader can be cleaned: set the option to OFF, or "
            "give each reader a folder of its own",
            {"path": config.landing_location},
        )


def clean_landing(config: PipelineConfig, *, run_id: str) -> StepSummary | None:
    """Move or delete the landed files whose rows are proven, as ``cleanSource`` says.

    Kept as the step ``clean`` of the run. None where there was nothing to do.

    Raises:
        FatalError: the pipeline's ledger is damaged.
    """
    started = datetime.now(UTC)
    options = source_options(config)
    ledger = Ledger.open(config.schema_location)
    if ledger is None:
        return None
    done = clean_source(
        Cleaning(
            ledger=ledger,
            options=options,
            prover=TableProver(config, ledger),
            by=config.name,
            run_id=run_id,
            now=started,
            blocked_by=_blocked_by(config, options.clean_source),
        )
    )
    if not done.counts:
        return None
    counts = {f"files_{outcome}": count for outcome, count in done.counts.items()}
    summary = StepSummary(STEP, run_id, counts, done.notes)
    record_step(config, summary, started=started, finished=datetime.now(UTC))
    return summary


def _blocked_by(config: PipelineConfig, mode: CleanMode) -> str | None:
    if mode is CleanMode.OFF:
        return None
    try:
        return find_other_reader(config)
    except (UsageError, FatalError) as error:
        return f"which folders the others read is unknown: {error.message}"


class TableProver:
    """Proves by the states of a pipeline's files, and one count of its table.

    A file is proven if a micro-batch or a replay of this ledger committed it, its rows
    were counted then, and the table holds just as many now.
    """

    def __init__(self, config: PipelineConfig, ledger: Ledger) -> None:
        self._config = config
        self._ledger = ledger
        self._states: FileStates | None = None

    def committed_before(self, moment: datetime) -> int:
        """Return the highest seq whose micro-batch was committed by then, or 0."""
        bronze = self._config.queries[0]
        ends = [
            batch.end_seq
            for batch in archived_batches(self._config, bronze)
            # The numbers of another ledger mean other files.
            if batch.ledger_id == self._ledger.ledger_id
            and batch.end_seq is not None
            and batch.table_version is not None
            and batch.committed_at is not None
            and batch.committed_at <= moment
        ]
        return max(ends, default=0)

    def prove(self, files: Sequence[LedgerFile]) -> Mapping[int, Committed]:
        """Return what is proven of ``files``, which are in order, by seq."""
        if not files:
            return {}
        # They load much, which a run that cleans nothing need not wait for.
        import pyarrow.compute as pc  # noqa: PLC0415

        from sluice.history.files import FileStates  # noqa: PLC0415

        self._states = self._states or FileStates(self._config, self._ledger)
        found = self._states.within(SeqRange(files[0].seq - 1, files[-1].seq))
        seqs = pa.array([file.seq for file in files], pa.int64())
        asked = found.filter(pc.is_in(found["seq"], seqs)).to_pylist()
        committed = {row["seq"]: _committed(row) for row in asked}
        return committed | self._compare(
            [row for row in asked if isinstance(committed[row["seq"]], datetime)]
        )

    def _compare(self, rows: Sequence[Mapping[str, Any]]) -> dict[int, Committed]:
        """Compare the rows that were committed with those that the table holds now."""
        compared: dict[int, Committed] = {}
        days = [row["commit_time"].date() for row in rows]
        # Most tables have whole days of rows to pass over. All is read where this finds
        # too few rows: they were moved to another day.
        for narrowed in [_between(min(days), max(days)), "true"] if days else []:
            left = [row for row in rows if row["seq"] not in compared]
            now = self._count_rows([row["path"] for row in left], narrowed)
            for row in left:
                if now.get(row["path"], 0) == row["rows"]:
                    compared[row["seq"]] = row["commit_time"]
        differ = dict.fromkeys((row["seq"] for row in rows), Unproven.ROWS_DIFFER)
        return differ | compared

    def _count_rows(self, paths: Sequence[str], narrowed: str) -> dict[str | None, int]:
        table = open_table(self._config.bronze_location)
        if table is None or not paths:
            return {}
        return rows_by_file(table, f"{any_of(SOURCE_FILE, paths)} and {narrowed}")


def _committed(row: Mapping[str, Any]) -> Committed:
    """Return when a file was committed, as its state says, before rows are compared."""
    state, at, rows = FileState(row["state"]), row["commit_time"], row["rows"]
    if state in _UNPROVEN:
        return _UNPROVEN[state]
    if state not in {FileState.INGESTED, FileState.ARCHIVED} or at is None:
        return Unproven.NOT_COMMITTED
    # An earlier ledger read what had this path then.
    if at < row["discovered_at"]:
        return Unproven.NOT_COMMITTED
    if rows is None or (rows == 0 and row["size"] > 0):
        return Unproven.NOT_COUNTED
    committed: datetime = at
    return committed


def _between(first: date, last: date) -> str:
    """Return the condition on the day a row was read: that of its commit, or before.

    A micro-batch that runs past midnight has the day it began.
    """
    low, high = first - timedelta(days=2), last + timedelta(days=1)
    return f"{PROCESSING_DATE} >= date '{low}' and {PROCESSING_DATE} <= date '{high}'"
