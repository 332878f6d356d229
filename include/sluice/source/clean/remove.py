"""Remove files that are proven: take all, keep copies, record all, let go of all.

Each step is over for the whole group before the next begins, so that a kill leaves
files that are taken and not recorded, or recorded and not gone: both are finished by
the next cleaning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from deltalake.exceptions import DeltaError
from obstore.exceptions import BaseError

from sluice.errors import FatalError
from sluice.model import LedgerFile
from sluice.paths import join
from sluice.source.clean.consumers import Reader, Registry, blocked
from sluice.source.clean.decide import Outcome, Stay
from sluice.source.clean.options import CleanMode
from sluice.source.clean.proof import newest_rows
from sluice.source.clean.removal import Removal, removal_for
from sluice.source.clean.state import Begun
from sluice.source.events import Archived, EventKind, LedgerEvent
from sluice.source.listing import is_below
from sluice.source.verify import what_changed
from sluice.storage import FileStatus

_Stays = dict[LedgerFile, Stay | None]
_Kept = dict[LedgerFile, str | None]


@dataclass(frozen=True, kw_only=True)
class Remover:
    """Removes files of one stream from below ``roots``, as ``begun`` says.

    ``troubles`` collects what went wrong beside the files themselves.
    """

    me: Reader
    roots: Sequence[str]
    run_id: str
    begun: Begun
    troubles: list[str] = field(default_factory=list)

    def began(self, file: LedgerFile) -> bool:
        """Tell whether the removal of ``file`` is half done."""
        return self._removal(file).is_taken(file)

    def remove(self, files: Sequence[LedgerFile]) -> _Stays:
        """Remove ``files`` and return which of them stay after all, and why.

        Who registers lists the folder only after that. So a reader that came since the
        files were proven is seen here, before they are taken or when they are and can
        still be given back; or it comes later, and its listing finds them gone.

        Raises:
            FatalError: somebody reads the place that they would be moved to, or a
                consumer is registered by now that cannot be asked.
        """
        stays = self._spare(files, Registry())
        places = {file: self._place(file) for file in files if file not in stays}
        _require_unread(places)
        stays |= {file: self._take(file) for file in places}
        registry = Registry()
        stays |= self._spare([f for f in places if stays[f] is None], registry)
        going = [file for file in places if stays[file] is None]
        kept: _Kept = {}
        stays |= {file: self._keep(file, places[file], kept) for file in going}
        self._record(kept, registry)
        return stays | {file: self._finish(file) for file in kept}

    def _removal(self, file: LedgerFile) -> Removal:
        return removal_for(file.path, self.me.ledger.ledger_id)

    def _spare(self, files: Sequence[LedgerFile], registry: Registry) -> _Stays:
        """Let files stay, or give them back, that are read by somebody new."""
        if self.begun.readers is None:
            return {}
        try:
            wanted = {file: self._newcomers(file, registry) for file in files}
        except FatalError:
            for file in files:
                self._give_back(file)
            raise
        return {
            file: self._give_back(file) or _wanted_by(names)
            for file, names in wanted.items()
            if names
        }

    def _newcomers(self, file: LedgerFile, registry: Registry) -> list[str]:
        """Return who reads the file and was not asked for a proof."""
        readers = [each.consumer for each in registry.readers(file.path)]
        return sorted(
            each.name for each in readers if each not in (self.begun.readers or ())
        )

    def _place(self, file: LedgerFile) -> str | None:
        """Return where a file is moved to: below the destination as below its root."""
        if self.begun.mode is not CleanMode.MOVE or self.begun.destination is None:
            return None
        root = next(each for each in self.roots if is_below(file.path, each))
        below = file.path.removeprefix(root).lstrip("/")
        return join(self.begun.destination, below or file.path.rpartition("/")[2])

    def _take(self, file: LedgerFile) -> Stay | None:
        try:
            if not self._removal(file).take(file):
                return Stay(Outcome.CHANGED, "it changed in the very moment")
        except (OSError, BaseError) as error:
            return Stay(Outcome.FAILED, _first_line(error))
        return None

    def _give_back(self, file: LedgerFile) -> Stay | None:
        """Put a file back where it was, if it is taken."""
        try:
            if self.began(file):
                self._removal(file).give_back(file)
        except (OSError, BaseError) as error:
            return Stay(Outcome.FAILED, _first_line(error))
        return None

    def _keep(self, file: LedgerFile, place: str | None, kept: _Kept) -> Stay | None:
        try:
            kept[file] = self._removal(file).keep(file, place) if place else None
        except (OSError, BaseError) as error:
            failed = Stay(Outcome.FAILED, _first_line(error))
            return self._give_back(file) or failed
        return None

    def _finish(self, file: LedgerFile) -> Stay | None:
        try:
            self._removal(file).finish(file)
        except (OSError, BaseError) as error:
            return Stay(Outcome.FAILED, _first_line(error))
        return None

    def _record(self, kept: _Kept, registry: Registry) -> None:
        """Tell the own ledger, and those of everybody else who reads the files."""
        now = datetime.now(UTC)
        self.me.ledger.append_events(
            [self._event(file, file.seq, file.path, kept, now) for file in kept]
        )
        for reader, theirs in _by_reader(kept, registry).items():
            if reader.ledger == self.me.ledger:
                continue
            try:
                rows = newest_rows(reader.ledger, list(theirs))
                events = [
                    self._event(theirs[path], row.seq, path, kept, now)
                    for path, row in rows.items()
                    if what_changed(row, _status(theirs[path])) is None
                ]
                reader.ledger.append_events(events)
            except (DeltaError, OSError, BaseError) as error:
                name = reader.consumer.name
                self.troubles.append(f"ledger of {name} not told: {_first_line(error)}")

    def _event(
        self, file: LedgerFile, seq: int, path: str, kept: _Kept, at: datetime
    ) -> LedgerEvent:
        archived = Archived(
            mode=self.begun.mode.value,
            location=kept[file],
            by=self.me.consumer.pipeline or self.me.consumer.schema_location,
        )
        return LedgerEvent(
            kind=EventKind.ARCHIVED,
            seq=seq,
            path=path,
            detail=archived.detail,
            run_id=self.run_id,
            at=at,
        )


def _wanted_by(names: Sequence[str]) -> Stay:
    told = f"{', '.join(names)} has registered for it meanwhile"
    return Stay(Outcome.WAITING, told)


def _by_reader(
    kept: Mapping[LedgerFile, str | None], registry: Registry
) -> dict[Reader, dict[str, LedgerFile]]:
    found: dict[Reader, dict[str, LedgerFile]] = {}
    for file in kept:
        for reader, path in registry.readers(file.path).items():
            found.setdefault(reader, {})[path] = file
    return found


def _require_unread(places: Mapping[LedgerFile, str | None]) -> None:
    registry = Registry()
    for place in filter(None, places.values()):
        readers = registry.readers(place)
        if readers:
            names = sorted(each.consumer.name for each in readers)
            raise blocked(
                f"cloudFiles.cleanSource.moveDestination leads to {place!r}, which "
                f"{names} would read again; name a folder that nobody reads"
            )


def _status(file: LedgerFile) -> FileStatus:
    return FileStatus(file.size, file.modified, file.etag)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
