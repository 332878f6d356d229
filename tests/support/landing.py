"""A landing folder with the ledger and the options of the stream over it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from sluice.discovery.progress import selection_id
from sluice.discovery.run import Discovery, discover
from sluice.ledger.ledger import Ledger
from sluice.model import LedgerFile
from sluice.options.incremental import (
    load_state,
    save_state,
)
from sluice.options.options import CloudFilesOptions

DAY = timedelta(days=1)


@dataclass
class Landing:
    """A landing folder, its ledger and the options of the stream over it."""

    root: Path
    options: CloudFilesOptions = field(init=False)

    def __post_init__(self) -> None:
        """Make the folder."""
        self.folder.mkdir()
        self.options = CloudFilesOptions(
            path=str(self.folder), schema_location=str(self.root / "schemas")
        )

    @property
    def folder(self) -> Path:
        """The landing folder."""
        return self.root / "in"

    @property
    def ledger(self) -> Ledger:
        """The ledger, made where it is not there yet."""
        return Ledger.open_or_create(self.options.schema_location)

    def land(self, *names: str, text: str = "{}", age: float | None = None) -> None:
        """Write files, modified so many seconds ago."""
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if age is not None:
                moment = datetime.now(UTC).timestamp() - age
                os.utime(path, (moment, moment))

    def discover(self, **options: object) -> Discovery:
        """Discover once, with some options changed from now on."""
        self.options = replace(self.options, **options)
        return discover(self.ledger, self.options, run_id="run")

    def names(self) -> list[str]:
        """Return the names in the ledger in order of seq."""
        return [self.name(file) for file in self.ledger.files()]

    def name(self, file: LedgerFile) -> str:
        """Return the name of a file below the folder."""
        return str(Path(file.path).relative_to(self.folder))

    def set_last_full(self, ago: timedelta) -> None:
        """Let the last full listing have been so long ago."""
        ledger = self.ledger
        kept = load_state(ledger.root, ledger.ledger_id, selection_id(self.options))
        assert kept is not None
        moved = msgspec.structs.replace(kept, full_at=datetime.now(UTC) - ago)
        save_state(ledger.root, moved)
