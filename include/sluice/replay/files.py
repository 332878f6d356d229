"""The files that a replay asks for, as the ledger knows them and as they are now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sluice import storage
from sluice.checkpoint import read_checkpoint
from sluice.config import PipelineConfig
from sluice.errors import Condition, FatalError, RetryableError, UsageError
from sluice.history.batches import query_batches
from sluice.history.files import file_states
from sluice.ledger.ledger import Ledger
from sluice.ledger.verify import what_changed
from sluice.model import FileState, LedgerFile
from sluice.options.configured import source_options
from sluice.replay.select import (
    KnownVersion,
    LeftOutFile,
    LeftOutReason,
    Selection,
    choose,
    matching_paths,
)

_PARALLEL_LOOKS = 16
_NAMED = 5


@dataclass(frozen=True)
class ChosenFiles:
    """What is read again, with sizes and times as they are now, and what is not."""

    files: tuple[LedgerFile, ...]
    left_out: tuple[LeftOutFile, ...]


def choose_files(config: PipelineConfig, selection: Selection) -> ChosenFiles:
    """Return the files that a replay of ``selection`` reads; changes nothing.

    Raises:
        UsageError: the ledger has no such file.
        RetryableError: all of them are still to be read, or being read.
        FatalError: none of them can be read any more.
    """
    ledger = Ledger.open(config.schema_location)
    if ledger is None:
        raise _no_such_file_error(config)
    known = file_states(config)
    newest = matching_paths(_versions(known), selection, config.landing_location)
    if not newest:
        raise _no_such_file_error(config)
    asked = known.filter(pc.is_in(known["seq"], pa.array(newest.values(), pa.int64())))
    states = {
        seq: FileState(state) for seq, state in _pairs(asked.select(["seq", "state"]))
    }
    ready, left_out = choose(newest, states, committed_up_to=_committed_up_to(config))
    moved = dict(_pairs(asked.select(["seq", "move_location"])))
    looked = _look_at(config, ledger, ready, moved)
    files = tuple(each for each in looked if isinstance(each, LedgerFile))
    left_out += [each for each in looked if isinstance(each, LeftOutFile)]
    if not files:
        raise nothing_left_error(left_out)
    return ChosenFiles(files, tuple(left_out))


def nothing_left_error(left_out: Sequence[LeftOutFile]) -> RetryableError | FatalError:
    """Return the error for a replay of which every file is left out."""
    named = "; ".join(map(str, left_out[:_NAMED]))
    more = f"; and {len(left_out) - _NAMED} more" if left_out[_NAMED:] else ""
    context = {"paths": [each.path for each in left_out]}
    if any(each.reason.passes for each in left_out):
        return RetryableError(
            Condition.NOTHING_TO_REPLAY,
            f"replay: no file can be read again yet: {named}{more}; repeat it after "
            "the next run",
            context,
        )
    return FatalError(
        Condition.NOTHING_TO_REPLAY,
        f"replay: no file can be read again: {named}{more}; nothing was changed: land "
        "the file again, or choose others by 'sluice files'",
        context,
    )


def _no_such_file_error(config: PipelineConfig) -> UsageError:
    return UsageError(
        Condition.NOTHING_TO_REPLAY,
        f"replay: no file of pipeline {config.name!r} is the one asked for; "
        f"'sluice files {config.called}' lists those that there are",
        {"pipeline": config.name},
    )


def _versions(known: pa.Table) -> Iterator[KnownVersion]:
    for batch in known.select(["seq", "path", "discovered_at"]).to_batches():
        for row in batch.to_pylist():
            yield KnownVersion(**row)


def _pairs(columns: pa.Table) -> Iterator[tuple[int, Any]]:
    first, second = columns.columns
    return zip(first.to_pylist(), second.to_pylist(), strict=True)


def _committed_up_to(config: PipelineConfig) -> int:
    """Return the end of the newest micro-batch of bronze that the table has."""
    bronze = config.queries[0]
    checkpoint = read_checkpoint(bronze.checkpoint)
    if checkpoint is None:
        return 0
    ends = (
        batch.end_seq or 0
        for batch in query_batches(config, bronze)
        if batch.is_done and batch.query_id == checkpoint.query_id
    )
    return max(ends, default=0)


def _look_at(
    config: PipelineConfig,
    ledger: Ledger,
    seqs: Sequence[int],
    moved: Mapping[int, str | None],
) -> list[LedgerFile | LeftOutFile]:
    """Find each file, where it landed or where clean-up has put it."""
    if not seqs:
        return []
    wanted = set(seqs)
    files = ledger.files(after=min(seqs) - 1, up_to=max(seqs))
    has_versions = source_options(config).allow_overwrites
    look = partial(_look, moved=moved, has_versions=has_versions)
    with ThreadPoolExecutor(_PARALLEL_LOOKS) as pool:
        return list(pool.map(look, [file for file in files if file.seq in wanted]))


def _look(
    file: LedgerFile, *, moved: Mapping[int, str | None], has_versions: bool
) -> LedgerFile | LeftOutFile:
    found = storage.status(file.path)
    moved_to = moved.get(file.seq) if found is None else None
    if moved_to:
        found = storage.status(moved_to)
    if found is None:
        detail = f"clean-up moved it to {moved_to!r}" if moved_to else None
        return LeftOutFile(file.seq, file.path, LeftOutReason.GONE, detail)
    changed = what_changed(file, found) if has_versions and not moved_to else None
    if changed:
        return LeftOutFile(file.seq, file.path, LeftOutReason.CHANGED, changed)
    return replace(
        file,
        size=found.size,
        modified=found.modified,
        etag=found.etag,
        moved_to=moved_to,
    )
