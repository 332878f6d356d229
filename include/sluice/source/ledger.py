"""The ledger: every file version ever discovered, every micro-batch ever planned.

Append-only Delta tables under ``<schemaLocation>/_ledger``, written by delta-rs:
``files`` numbers the discovered files, ``claims`` holds the chain of planned ranges,
``events`` what else happened to files. A file that cannot be read is one object under
``_ledger/quarantine``. No row is ever changed, so any engine may read them any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import pyarrow as pa
from deltalake import DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from sluice import storage
from sluice.errors import Condition, FatalError, RetryableError
from sluice.model import Claim, FileVersion, LedgerFile, SeqRange
from sluice.paths import join
from sluice.source.claims import (
    CLAIMS_SCHEMA,
    read_claimed_end,
    read_claimed_up_to,
    read_claims,
    try_claim,
)
from sluice.source.events import EventKind, LedgerEvent, append_events, read_events
from sluice.tables import append_once, read_table

_TIMESTAMP = pa.timestamp("us", tz="UTC")
FILES_SCHEMA = pa.schema(
    [
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("modified", _TIMESTAMP, nullable=False),
        pa.field("etag", pa.string()),
        pa.field("discovered_at", _TIMESTAMP, nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
    ]
)
# One writer wins each round, so this many rounds are lost only to as many winners.
_ROUNDS = 100


class QuarantinedFile(msgspec.Struct, frozen=True):
    """A file that holds what its format cannot; a task wrote this before it failed."""

    seq: int
    path: str
    error: str
    run_id: str
    at: datetime


@dataclass(frozen=True)
class Ledger:
    """The ledger below one schema location; ``ledger_id`` dies with its files table."""

    root: str
    ledger_id: str

    @classmethod
    def open(cls, schema_location: str) -> Ledger | None:
        """Open the ledger below ``schema_location``; None where there is none."""
        root = join(schema_location, "_ledger")
        try:
            table = DeltaTable(join(root, "files"))
        except TableNotFoundError:
            return None
        return cls(root, str(table.metadata().id))

    @classmethod
    def open_or_create(cls, schema_location: str) -> Ledger:
        """Open the ledger below ``schema_location``, or make an empty one."""
        root = join(schema_location, "_ledger")
        claims = _create(join(root, "claims"), CLAIMS_SCHEMA)
        ledger = cls.open(schema_location)
        if ledger is None:
            # There are files before there are claims: these lost theirs.
            _require_unused(claims, root)
            _create(join(root, "files"), FILES_SCHEMA)
            ledger = cls.open(schema_location)
        if ledger is None:
            raise FatalError(
                Condition.LEDGER_UNREADABLE,
                f"ledger {root!r} was made but cannot be opened; look at that folder",
            )
        return ledger

    def high_seq(self) -> int:
        """Return the highest seq ever given, 0 in an empty ledger."""
        return _version(self._files(), self._app_id("files"))

    def files(self, after: int = 0, up_to: int | None = None) -> list[LedgerFile]:
        """Return the files with ``after < seq <= up_to``, in order of seq."""
        where = f"seq > {after}"
        if up_to is not None:
            where += f" and seq <= {up_to}"
        columns = ["seq", "path", "size", "modified", "etag"]
        found = read_table(self._files(), columns=columns, where=where, order_by="seq")
        return [LedgerFile(**row) for row in found.to_pylist()]

    def append(self, listed: Sequence[FileVersion], *, run_id: str) -> int:
        """Give a seq to each listed file whose path is not known; return how many.

        The append goes through the snapshot that was compared, so of two discoverers
        the second is refused, reads what the first wrote and tries again: no path and
        no seq comes twice.

        Raises:
            RetryableError: other discoverers were faster all the time.
        """
        for _ in range(_ROUNDS):
            table = self._files()
            fresh = unknown_files(listed, _known_paths(table))
            if not fresh:
                return 0
            high = _version(table, self._app_id("files"))
            rows = _file_rows(fresh, high, run_id)
            transaction = Transaction(self._app_id("files"), high + len(fresh))
            if append_once(table, rows, transaction):
                return len(fresh)
        raise _lost("ledger", self.root)

    def claims(self) -> list[Claim]:
        """Return every micro-batch ever planned, in order of its start."""
        return read_claims(self._claims)

    def claimed_up_to(self) -> int:
        """Return the end of the last claim; 0 where there is none, or no table."""
        return read_claimed_up_to(self._claims, self._app_id("claims"))

    def claimed_end(self, start: int) -> int | None:
        """Return the end that was claimed for the micro-batch after ``start``."""
        return read_claimed_end(self._claims, start)

    def claim(self, planned: SeqRange, *, run_id: str) -> int:
        """Claim ``planned`` and return the end that holds for its start.

        Whoever plans from the same start gets the same end, however often and from
        however many drivers: the first claim stands.

        Raises:
            FatalError: the start is no end of an earlier claim.
            RetryableError: other drivers were faster all the time.
        """
        for _ in range(_ROUNDS):
            end = try_claim(
                self._claims, self._app_id("claims"), planned, run_id=run_id
            )
            if end is not None:
                return end
        raise _lost("claims", self.root)

    def append_events(self, events: Sequence[LedgerEvent]) -> None:
        """Keep what happened to files beyond being discovered and read."""
        append_events(join(self.root, "events"), events)

    def events(self, kind: EventKind | None = None) -> list[LedgerEvent]:
        """Return what was kept by ``append_events``, oldest first."""
        return read_events(join(self.root, "events"), kind)

    def quarantine(self, file: QuarantinedFile) -> bool:
        """Record that ``file`` cannot be read; the first record stands."""
        return storage.put_if_absent(
            join(self.root, "quarantine"), f"{file.seq}.json", msgspec.json.encode(file)
        )

    def quarantined(self) -> dict[int, QuarantinedFile]:
        """Return the files that cannot be read, by seq."""
        root = join(self.root, "quarantine")
        contents = [storage.read(root, key) for key in storage.list_keys(root)]
        found = [
            msgspec.json.decode(each, type=QuarantinedFile) for each in contents if each
        ]
        return {file.seq: file for file in found}

    def _files(self) -> DeltaTable:
        table = DeltaTable(join(self.root, "files"))
        if str(table.metadata().id) != self.ledger_id:
            raise FatalError(
                Condition.LEDGER_MISMATCH,
                f"ledger {self.root!r} was {self.ledger_id} and is now "
                f"{table.metadata().id}: it was replaced during the run; run again",
            )
        return table

    @property
    def _claims(self) -> str:
        return join(self.root, "claims")

    def _app_id(self, table: str) -> str:
        return f"sluice-{table}-{self.ledger_id}"


def _create(location: str, schema: pa.Schema) -> DeltaTable:
    try:
        return DeltaTable.create(location, schema, mode="ignore")
    except CommitFailedError:
        # Another process made it in the same moment.
        return DeltaTable(location)


def _require_unused(claims: DeltaTable, root: str) -> None:
    if claims.version():
        raise FatalError(
            Condition.LEDGER_UNREADABLE,
            f"ledger {root!r} has claims of micro-batches, but its table 'files' is "
            "gone: a new one would number the files anew; restore it from backup",
            {"ledger": root},
        )


def _version(table: DeltaTable, app_id: str) -> int:
    return table.transaction_version(app_id) or 0


def _known_paths(table: DeltaTable) -> list[str]:
    paths: list[str] = read_table(table, columns=["path"])["path"].to_pylist()
    return paths


def unknown_files(
    listed: Sequence[FileVersion], known: Iterable[str]
) -> list[FileVersion]:
    """Return the listed files whose path is not ``known``, each path once.

    They come in the order of their modification times, oldest first, and then of their
    paths: the order decides which micro-batch a file joins, never whether it does.
    """
    seen = frozenset(known)
    fresh = {file.path: file for file in listed if file.path not in seen}
    return sorted(fresh.values(), key=_arrival)


def _arrival(file: FileVersion) -> tuple[datetime, str]:
    return file.modified, file.path


def _file_rows(files: Sequence[FileVersion], high: int, run_id: str) -> pa.Table:
    now = datetime.now(UTC)
    return pa.Table.from_pylist(
        [
            {
                "seq": high + position,
                "path": file.path,
                "size": file.size,
                "modified": file.modified,
                "etag": file.etag,
                "discovered_at": now,
                "run_id": run_id,
            }
            for position, file in enumerate(files, start=1)
        ],
        schema=FILES_SCHEMA,
    )


def _lost(what: str, root: str) -> RetryableError:
    return RetryableError(
        Condition.COMMIT_CONFLICT,
        f"{what} {root!r}: {_ROUNDS} commits by others came first; run again",
    )
