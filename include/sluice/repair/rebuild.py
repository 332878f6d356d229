"""A new ledger for a table whose ledger is lost: what the table holds is its beginning.

Everything else that lies in the landing folder is then new to it, and is read: files
that gave no row, such as those in quarantine, are tried once more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from deltalake.exceptions import DeltaError

from sluice import storage
from sluice.checkpoint.pending import Missing
from sluice.config import PipelineConfig
from sluice.errors import Condition, FatalError
from sluice.history.readings import archived_readings
from sluice.ledger.events import EventKind, LedgerEvent
from sluice.ledger.ledger import Ledger
from sluice.model import CHAIN_START, FileVersion, LedgerFile, SeqRange
from sluice.options.configured import source_options
from sluice.repair.facts import count_read

_LOG = logging.getLogger(__name__)
_SHOWN = 5
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """The first files of a new ledger, in order; what differs from the archive.

    ``gone`` gave rows that the table no longer has, ``partial`` has another number of
    them, ``unseen`` are no longer where they landed.
    """

    files: tuple[FileVersion, ...]
    gone: tuple[str, ...]
    partial: tuple[str, ...]
    unseen: int


def plan_ledger(
    rows: Mapping[str, int],
    counted: Mapping[str, int],
    look: Callable[[str], Sequence[FileVersion]],
    *,
    missing: Missing | None,
) -> Rebuilt:
    """Return the files of the new ledger, from the table's rows by file.

    ``counted`` are the rows that files gave when they were read. ``look`` returns the
    versions of a path that were read, as far as that is known.
    """
    gone = sorted(path for path, n in counted.items() if n and not rows.get(path))
    adopted = [*rows, *(gone if missing == "skip" else ())]
    found = {path: look(path) for path in adopted}
    versions = [
        each
        for path, known in found.items()
        for each in known or [FileVersion(path, 0, _NEVER)]
    ]
    return Rebuilt(
        files=tuple(sorted(versions, key=lambda each: (each.modified, each.path))),
        gone=tuple(gone),
        partial=tuple(
            path for path, n in sorted(rows.items()) if counted.get(path, n) != n
        ),
        unseen=sum(not known for known in found.values()),
    )


def require_chosen(rebuilt: Rebuilt, pipeline: str, missing: Missing | None) -> None:
    """Refuse to decide what becomes of rows that are gone.

    Raises:
        FatalError: some are, and it was not said whether they are to come back.
    """
    if not rebuilt.gone or missing is not None:
        return
    shown = ", ".join(map(repr, rebuilt.gone[:_SHOWN]))
    raise FatalError(
        Condition.REPAIR_IMPOSSIBLE,
        f"pipeline {pipeline!r}: the table has no row of {len(rebuilt.gone)} files "
        f"that were read: {shown}{' …' if rebuilt.gone[_SHOWN:] else ''}; run the "
        "command with --reread to have them read again, or with --skip to leave them "
        "out for good",
        {"paths": list(rebuilt.gone)},
    )


def rebuild_ledger(
    config: PipelineConfig,
    rows: Mapping[str | None, int],
    old: Ledger | None,
    missing: Missing | None,
) -> Rebuilt:
    """Plan the new ledger of a pipeline; ``old`` is what is left of the one before.

    Raises:
        FatalError: it is unknown which files were to be left out.
        UsageError: the options of the source are wrong.
    """
    options = source_options(config)
    _require_first(config, old, include_existing=options.include_existing)
    versions = _read_versions(config, old)

    def look(path: str) -> Sequence[FileVersion]:
        return versions.get(path) or list(_look_at(path))

    named = {path: count for path, count in rows.items() if path is not None}
    counted = count_read(config, _replays_of(old))
    planned = plan_ledger(named, counted, look, missing=missing)
    skipped = _versions(old.files(up_to=old.first_seq())) if old else []
    rest = [each for each in planned.files if each not in skipped]
    return replace(planned, files=(*skipped, *rest))


def make_ledger(config: PipelineConfig, rebuilt: Rebuilt, *, run_id: str) -> None:
    """Make the ledger with these files and one claim over all; may be cut off.

    Raises:
        FatalError: there is another ledger in its place.
    """
    ledger = Ledger.open_or_create(config.schema_location)
    expected = len(rebuilt.files)
    if not ledger.high_seq() and expected:
        ledger.snapshot().append(rebuilt.files, run_id=run_id)
    if ledger.claimed_up_to() == CHAIN_START:
        ledger.claim(SeqRange(CHAIN_START, expected), run_id=run_id)
    found = ledger.claimed_up_to()
    if found != expected or ledger.high_seq() != expected:
        raise FatalError(
            Condition.LEDGER_MISMATCH,
            f"ledger {ledger.root!r} was rebuilt with {expected} files, and has "
            f"{ledger.high_seq()} with claims up to {found}: another process works on "
            "it; stop every query of this pipeline and run the command again",
            {"expected": expected, "found": found},
        )


def _replays_of(old: Ledger | None) -> list[LedgerEvent]:
    """Return the replays that the old ledger knows, none where it cannot be read."""
    try:
        return old.events(EventKind.REPLAYED) if old else []
    except (DeltaError, OSError, FatalError) as error:
        _LOG.warning("the replays of the old ledger cannot be read: %s", error)
        return []


def _require_first(
    config: PipelineConfig, old: Ledger | None, *, include_existing: bool
) -> None:
    if include_existing or old is not None:
        return
    raise FatalError(
        Condition.REPAIR_IMPOSSIBLE,
        f"pipeline {config.name!r} has includeExistingFiles=false, and which files "
        "were there before its first start was in the lost ledger alone; restore "
        f"{config.schema_location!r} from backup, or set includeExistingFiles to true "
        "to have all of them read",
        {"pipeline": config.name},
    )


def _look_at(path: str) -> Iterator[FileVersion]:
    found = storage.status(path)
    if found is not None:
        yield FileVersion(path, found.size, found.modified, found.etag)


def _read_versions(
    config: PipelineConfig, old: Ledger | None
) -> dict[str, list[FileVersion]]:
    """Return of each path the versions that micro-batches read, or all if none is."""
    if old is None:
        return {}
    readings = archived_readings(config, old, SeqRange(0, old.high_seq()))
    read = set(readings["seq"].to_pylist())
    known: dict[str, list[LedgerFile]] = {}
    for file in old.files():
        known.setdefault(file.path, []).append(file)
    return {
        path: _versions([each for each in files if each.seq in read] or files)
        for path, files in known.items()
    }


def _versions(files: Sequence[LedgerFile]) -> list[FileVersion]:
    return [
        FileVersion(each.path, each.size, each.modified, each.etag) for each in files
    ]
