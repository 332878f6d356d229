"""Remove files that are proven: take all, keep copies, record all, remove all.

Each step ends for the whole group before the next begins. So a kill leaves files that
are taken and not recorded, or recorded and not removed; the next cleaning finishes
both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from obstore.exceptions import BaseError

from sluice.cleanup.decide import Outcome, Stay
from sluice.cleanup.folders import LinkedError
from sluice.cleanup.removal import Removal, removal_for
from sluice.cleanup.state import Begun
from sluice.ledger.events import Archived, EventKind, LedgerEvent
from sluice.ledger.ledger import Ledger
from sluice.model import LedgerFile
from sluice.options.clean import CleanMode
from sluice.options.incremental import is_below

_Stays = dict[LedgerFile, Stay | None]
_Kept = dict[LedgerFile, str | None]


@dataclass(frozen=True, kw_only=True)
class Remover:
    """Removes files below ``roots``, as ``begun`` says; ``by`` names the reader."""

    ledger: Ledger
    roots: Sequence[str]
    run_id: str
    by: str
    begun: Begun

    def began(self, file: LedgerFile) -> bool:
        """Return True if the removal of ``file`` is half done."""
        return self._removal(file).is_taken(file)

    def remove(self, files: Sequence[LedgerFile]) -> _Stays:
        """Remove ``files``; return which of them stay after all, and why."""
        stays: _Stays = {file: self._take(file) for file in files}
        kept: _Kept = {}
        taken = [file for file in files if stays[file] is None]
        stays |= {file: self._keep(file, kept) for file in taken}
        self._record(kept)
        return stays | {file: self._finish(file) for file in kept}

    def _removal(self, file: LedgerFile) -> Removal:
        return removal_for(self._root(file), self.ledger.ledger_id)

    def _take(self, file: LedgerFile) -> Stay | None:
        try:
            if not self._removal(file).take(file):
                return Stay(Outcome.CHANGED, "it changed while it was cleaned")
        except LinkedError as error:
            return Stay(Outcome.LINKED, first_line(error))
        except (OSError, BaseError) as error:
            return _failed(error)
        return None

    def _keep(self, file: LedgerFile, kept: _Kept) -> Stay | None:
        archive = self._archive()
        try:
            kept[file] = self._removal(file).keep(file, archive) if archive else None
        except (OSError, BaseError) as error:
            return self._give_back(file) or _failed(error)
        return None

    def _archive(self) -> str | None:
        """Return the folder that files are moved to, None where they are deleted."""
        return self.begun.destination if self.begun.mode is CleanMode.MOVE else None

    def _root(self, file: LedgerFile) -> str:
        return next(each for each in self.roots if is_below(file.path, each))

    def _give_back(self, file: LedgerFile) -> Stay | None:
        try:
            if self.began(file):
                self._removal(file).give_back(file)
        except (OSError, BaseError) as error:
            return _failed(error)
        return None

    def _finish(self, file: LedgerFile) -> Stay | None:
        try:
            self._removal(file).finish(file)
        except (OSError, BaseError) as error:
            return _failed(error)
        return None

    def _record(self, kept: _Kept) -> None:
        now = datetime.now(UTC)
        self.ledger.append_events(
            [
                LedgerEvent(
                    kind=EventKind.ARCHIVED,
                    seq=file.seq,
                    path=file.path,
                    detail=Archived(
                        mode=self.begun.mode.value, location=location, by=self.by
                    ).detail,
                    run_id=self.run_id,
                    at=now,
                )
                for file, location in kept.items()
            ]
        )


def _failed(error: Exception) -> Stay:
    return Stay(Outcome.FAILED, first_line(error))


def first_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return str(error).partition("\n")[0]
