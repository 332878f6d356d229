"""The ledger: every file version ever discovered, every micro-batch ever planned.

Append-only Delta tables under ``<schemaLocation>/_ledger``, written by delta-rs:
``files`` numbers the discovered files, ``claims`` holds the chain of planned ranges,
``events`` what else happened to files. A file that cannot be read is one object under
``_ledger/quarantine``, records that were dropped are counted below
``_ledger/dropped``. No row is ever changed, so any engine may read them any time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from sluice import storage
from sluice.delta.log import open_table
from sluice.delta.tables import commit_until_won, create_table
from sluice.errors import Condition, FatalError
from sluice.ledger.claims import (
    CLAIMS_SCHEMA,
    find_tail,
    read_claimed_at,
    read_claimed_end,
    read_claimed_up_to,
    read_claims,
    try_claim,
)
from sluice.ledger.damage import damage_named, ledger_root
from sluice.ledger.dropped import count_dropped, dropped_root
from sluice.ledger.events import EventKind, LedgerEvent, append_events, read_events
from sluice.ledger.files import (
    FILES_SCHEMA,
    FilesSnapshot,
    number_files,
    unknown_files,
)
from sluice.ledger.quarantine import (
    QuarantinedFile,
    read_left_out,
    record_left_out,
)
from sluice.model import (
    CHAIN_START,
    Claim,
    FileVersion,
    LedgerFile,
    SeqRange,
)
from sluice.paths import join
from sluice.versions import FORMAT_VERSION, require_known

# As many drivers and discoverers may start in one moment.
_ROUNDS = 100
# Made at the first start of a stream with includeExistingFiles=false.
_EXISTING = "existing.json"
# A property of the files table: every opener reads it with the table's id.
VERSION_KEY = "sluice.formatVersion"


@dataclass(frozen=True, kw_only=True)
class LedgerHead:
    """How far a ledger has come; ``claimed_up_to`` is None if its claims are gone.

    ``snapshot`` are the files as they were opened for it.
    """

    ledger: Ledger
    high_seq: int
    claimed_up_to: int | None
    snapshot: FilesSnapshot | None = None


def read_ledger_head(schema_location: str) -> LedgerHead | None:
    """Read how far a ledger has come, None if there is none; opens each table once.

    Raises:
        FatalError: a newer release made it, or a file of it is damaged.
    """
    root = ledger_root(schema_location)
    with damage_named(root):
        # Files are there before they are claimed.
        claims = open_table(join(root, "claims"))
        try:
            files = DeltaTable(join(root, "files"))
        except TableNotFoundError:
            return None
    ledger = Ledger(root, _known_id(root, files))
    snapshot = FilesSnapshot.of(files, ledger.app_id("files"))
    return LedgerHead(
        ledger=ledger,
        high_seq=snapshot.high,
        claimed_up_to=find_tail(claims, ledger.app_id("claims")) if claims else None,
        snapshot=snapshot,
    )


@dataclass(frozen=True)
class Ledger:
    """The ledger below one schema location; ``ledger_id`` dies with its files table."""

    root: str
    ledger_id: str

    @classmethod
    def open(cls, schema_location: str) -> Ledger | None:
        """Open the ledger below ``schema_location``; None where there is none.

        Raises:
            FatalError: a newer release made it, or a file of it is damaged.
        """
        return cls.open_at(ledger_root(schema_location))

    @classmethod
    def open_at(cls, root: str) -> Ledger | None:
        """Open the ledger whose own folder is ``root``, as ``open`` does."""
        try:
            with damage_named(root):
                table = DeltaTable(join(root, "files"))
        except TableNotFoundError:
            return None
        return cls(root, _known_id(root, table))

    @classmethod
    def open_or_create(cls, schema_location: str) -> Ledger:
        """Open the ledger below ``schema_location``, or make an empty one.

        Raises:
            FatalError: a newer release made it, or a file of it is damaged or gone.
        """
        root = ledger_root(schema_location)
        ledger = cls.open_at(root)
        with damage_named(root):
            claims = create_table(join(root, "claims"), CLAIMS_SCHEMA)
        # Another process may have made both since, and claimed.
        ledger = ledger or cls.open_at(root)
        if ledger is None:
            # There are files before there are claims: these lost theirs.
            _require_unused(claims, root)
            properties = {VERSION_KEY: FORMAT_VERSION}
            create_table(join(root, "files"), FILES_SCHEMA, properties)
            ledger = cls.open_at(root)
        if ledger is None:
            raise FatalError(
                Condition.LEDGER_UNREADABLE,
                f"ledger {root!r} was made but cannot be opened; look at that folder",
            )
        return ledger

    def high_seq(self) -> int:
        """Return the highest seq ever given, 0 in an empty ledger."""
        return self.snapshot().high

    def snapshot(self) -> FilesSnapshot:
        """Return the files as they are now.

        Raises:
            FatalError: another ledger has taken this one's place.
        """
        return FilesSnapshot.of(self._files(), self.app_id("files"))

    def files(self, after: int = 0, up_to: int | None = None) -> list[LedgerFile]:
        """Return the files with ``after < seq <= up_to``, in order of seq."""
        with damage_named(self.root):
            return self.snapshot().files(after, up_to)

    def append_new(
        self,
        listed: Sequence[FileVersion],
        *,
        run_id: str,
        by_version: bool = False,
        compared: FilesSnapshot | None = None,
    ) -> list[LedgerFile]:
        """Give a seq to each listed file that is not known, and return these.

        A file is known by its path, or ``by_version`` by size, time and etag as well.
        ``compared`` is a snapshot that is known to hold none of them; without it they
        are compared with all there is. The append goes through the snapshot that was
        compared, so of two discoverers the second is refused, reads what the first
        wrote and tries again: no file and no seq comes twice.

        Raises:
            RetryableError: other discoverers were faster all the time.
        """
        snapshot = compared or self.snapshot()
        # Nothing is after its highest seq, so this drops only what is listed twice.
        after = snapshot.high if compared else 0
        known = snapshot.keys(by_version=by_version, after=after)
        fresh = unknown_files(listed, known, by_version=by_version)

        def attempt() -> list[LedgerFile] | None:
            nonlocal after, snapshot, fresh
            if not fresh or snapshot.append(fresh, run_id=run_id):
                return number_files(fresh, after=snapshot.high)
            after, snapshot = snapshot.high, self.snapshot()
            newer = snapshot.keys(by_version=by_version, after=after)
            fresh = unknown_files(fresh, newer, by_version=by_version)
            return None

        return commit_until_won(f"ledger {self.root!r}", attempt, rounds=_ROUNDS)

    def skip_existing(self) -> int:
        """Leave out all files that are known now, unless a micro-batch was planned.

        Return the seq of the last file left out, 0 where there is none. The first call
        decides, once.
        """
        if self.claimed_up_to() == CHAIN_START:
            content = msgspec.json.encode({"seq": self.high_seq()})
            storage.put_if_absent(self.root, _EXISTING, content)
        return self.first_seq()

    def existing_settled(self) -> bool:
        """Return True if what a first start found can no longer be left out."""
        marked = storage.read(self.root, _EXISTING) is not None
        return marked or self.claimed_up_to() != CHAIN_START

    def first_seq(self) -> int:
        """Return the seq after which files are read, 0 unless existing ones are not."""
        content = storage.read(self.root, _EXISTING)
        return int(msgspec.json.decode(content)["seq"]) if content else 0

    def claims(self) -> list[Claim]:
        """Return every micro-batch ever planned, in order of its start."""
        with damage_named(self.root):
            return read_claims(self._claims)

    def claimed_up_to(self) -> int:
        """Return the end of the last claim; -1 where there is none, or no table."""
        with damage_named(self.root):
            return read_claimed_up_to(self._claims, self.app_id("claims"))

    def claimed_end(self, start: int) -> int | None:
        """Return the end that was claimed for the micro-batch after ``start``."""
        with damage_named(self.root):
            return read_claimed_end(self._claims, start)

    def claimed_at(self, start: int) -> datetime:
        """Return when the micro-batch after ``start`` was claimed, which it has to be.

        That is once and for all.
        """
        with damage_named(self.root):
            return read_claimed_at(self._claims, start)

    def claim(self, planned: SeqRange, *, run_id: str) -> int:
        """Claim ``planned`` and return the end that holds for its start.

        All that plan from the same start get the same end, however often and from
        however many drivers: the first claim stands.

        Raises:
            FatalError: the start is no end of an earlier claim.
            RetryableError: other drivers were faster all the time.
        """

        def attempt() -> int | None:
            return try_claim(
                self._claims, self.app_id("claims"), planned, run_id=run_id
            )

        return commit_until_won(f"claims {self.root!r}", attempt, rounds=_ROUNDS)

    def append_events(self, events: Sequence[LedgerEvent]) -> None:
        """Keep what happened to files beyond being discovered and read."""
        append_events(join(self.root, "events"), events)

    def events(self, kind: EventKind | None = None) -> list[LedgerEvent]:
        """Return what was kept by ``append_events``, oldest first."""
        with damage_named(self.root):
            return read_events(join(self.root, "events"), kind)

    def quarantine(self, file: QuarantinedFile) -> bool:
        """Record that ``file`` is left out; the first record stands."""
        return record_left_out(join(self.root, "quarantine"), file)

    def left_out(self) -> dict[int, QuarantinedFile]:
        """Return the files that no micro-batch reads, by seq."""
        return read_left_out(join(self.root, "quarantine"))

    def dropped(self, end: int) -> Counter[int]:
        """Return by seq how many records the micro-batch up to ``end`` dropped."""
        return count_dropped(dropped_root(self.root, end))

    def _files(self) -> DeltaTable:
        with damage_named(self.root):
            table = DeltaTable(join(self.root, "files"))
        found = _known_id(self.root, table)
        if found != self.ledger_id:
            raise FatalError(
                Condition.LEDGER_MISMATCH,
                f"ledger {self.root!r} was {self.ledger_id} and is now {found}: it was "
                "replaced during the run; run again",
            )
        return table

    @property
    def _claims(self) -> str:
        return join(self.root, "claims")

    def app_id(self, table: str) -> str:
        """Return the application id under which rows of ``table`` are appended."""
        return f"sluice-{table}-{self.ledger_id}"


def _known_id(root: str, files: DeltaTable) -> str:
    """Return the id of a ledger by its files table; refuse one of a newer release."""
    metadata = files.metadata()
    require_known(f"ledger {root!r}", metadata.configuration.get(VERSION_KEY))
    return str(metadata.id)


def _require_unused(claims: DeltaTable, root: str) -> None:
    if claims.file_uris():
        raise FatalError(
            Condition.LEDGER_UNREADABLE,
            f"ledger {root!r} has claims of micro-batches, but its table 'files' is "
            "gone: a new one would number the files again; restore it from backup",
            {"ledger": root},
        )
