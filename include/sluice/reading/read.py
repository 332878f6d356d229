"""Read a task's slices: bytes from storage, rows as Arrow batches in Spark's schema."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa

from sluice import storage
from sluice.columns import CORRUPT_RECORD, METADATA, RESCUED_DATA
from sluice.errors import Condition, FatalError, RetryableError
from sluice.formats.base import FileRange, Format, ParsedBlock, rescued_json
from sluice.formats.streams import open_decompressed
from sluice.ledger.ledger import Ledger
from sluice.ledger.quarantine import LeftOut, QuarantinedFile
from sluice.ledger.verify import what_changed
from sluice.reading.partition import FileSlice

# Fewer, larger batches cost Spark less; small files are joined up to this many rows.
_BATCH_ROWS = 10_000
# Rows may be whole files: what waits to be joined stays small whatever they hold.
_BATCH_BYTES = 32 << 20
# The most rows of a file that are held back until the whole of it could be read.
_HELD_BYTES = 256 << 20
# The most of a malformed record that its error shows.
_SHOWN_CHARACTERS = 200


class LeftOutError(FatalError):
    """A file cannot be read, and is recorded: the next attempt goes on without it."""


@dataclass(frozen=True, kw_only=True)
class ReadPlan:
    """What a task must know to read: pickled with the reader, so values only.

    A file that is not the one discovered is recorded in the ``ledger``, if there is
    one, as replaced where the ledger ``keeps_versions``, and as bad where the plan
    ignores files of its kind: those that are gone, and those that hold what they
    should not. A plan that ``goes_on`` leaves out such a file at once, if none of its
    rows can be in another task or batch; otherwise the attempt fails.
    """

    format: Format
    output: pa.Schema
    rescued_column: str = RESCUED_DATA
    corrupt_column: str = CORRUPT_RECORD
    fail_on_new_fields: bool = False
    fail_on_malformed: bool = False
    ledger: Ledger | None = None
    ignores_missing: bool = False
    ignores_corrupt: bool = False
    goes_on: bool = False
    keeps_versions: bool = False
    run_id: str = ""
    columns: pa.Schema = field(init=False)
    rescues: bool = field(init=False)

    def __post_init__(self) -> None:
        filled = {METADATA, self.rescued_column, self.corrupt_column}
        columns = [
            each.with_nullable(True)  # noqa: FBT003 - pyarrow takes it so
            for each in self.output
            if each.name not in filled
        ]
        object.__setattr__(self, "columns", pa.schema(columns))
        looks = self.fail_on_new_fields or self.fail_on_malformed
        rescues = looks or self.rescued_column in self.output.names
        object.__setattr__(self, "rescues", rescues)
        self.format.require_columns(self.columns)


def read_slices(
    slices: Iterable[FileSlice], plan: ReadPlan
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of ``slices`` in the schema of ``plan.output``.

    Each file is held against its row of the ledger when a slice is opened and after it
    was read. The rows of a call that raises must not be kept.

    Raises:
        FatalError: a file is gone, is not the one that was discovered, or cannot be
            decompressed. Where the plan records such files, that comes first, and the
            next attempt is planned without it.
        RetryableError: the system would not let a file be read.
    """
    waiting: list[pa.Table] = []
    rows = size = 0
    seen: set[int] = set()
    for table in _read_all(slices, plan, seen):
        waiting.append(table)
        rows += table.num_rows
        size += table.nbytes
        if rows >= _BATCH_ROWS or size >= _BATCH_BYTES:
            yield from _batches(waiting)
            waiting, rows, size = [], 0, 0
    yield from _batches(waiting)
    _require_unrecorded(seen, plan)


def _read_all(
    slices: Iterable[FileSlice], plan: ReadPlan, seen: set[int]
) -> Iterator[pa.Table]:
    """Yield the rows of slices; ``seen`` gets the seqs of files that may have some."""
    for each in slices:
        seen.add(each.file.seq)
        if plan.goes_on and each.start == 0 and each.end >= each.file.size:
            yield from _read_whole(each, plan, seen)
        else:
            yield from _read_slice(each, plan)


def _read_whole(each: FileSlice, plan: ReadPlan, seen: set[int]) -> Iterator[pa.Table]:
    """Yield the rows of a whole file; none, if it is left out, and ``seen`` loses it.

    They are held back until the last could be read, or they are too many to wait.
    """
    held: list[pa.Table] = []
    size, has_begun = 0, False
    try:
        for table in _read_slice(each, plan):
            held.append(table)
            size += table.nbytes
            if size > _HELD_BYTES:
                yield from held
                held, has_begun = [], True
    except LeftOutError:
        if has_begun:
            raise
        seen.discard(each.file.seq)
        return
    yield from held


def _batches(tables: Sequence[pa.Table]) -> Iterator[pa.RecordBatch]:
    if tables:
        yield from pa.concat_tables(tables).combine_chunks().to_batches()


def _require_unrecorded(seqs: Set[int], plan: ReadPlan) -> None:
    """Refuse the rows of a file that an earlier attempt of this task has recorded.

    It may look whole since. With its rows in the table and its record in the ledger
    it would be unknown if it was read.
    """
    recorded = plan.ledger.left_out() if plan.ledger else {}
    for seq in sorted(seqs & recorded.keys()):
        file = recorded[seq]
        refuse = _replaced_error if file.kind is LeftOut.REPLACED else _bad_file_error
        raise refuse(file.path, file.error)


def _read_slice(each: FileSlice, plan: ReadPlan) -> Iterator[pa.Table]:
    _require_unchanged(each, plan)
    try:
        for parsed in _parse(each, plan):
            yield _rows(parsed, each, plan)
    except OSError as error:
        # What changes while it is read fails in many ways; say which it was.
        _require_unchanged(each, plan)
        # pyarrow's error for a damaged compressed file has no number; the system's own
        # have one, and may be gone at the next attempt.
        if error.errno is not None:
            raise _unreadable_error(each, str(error)) from error
        ignored = plan.ignores_corrupt
        raise _refused_error(each, str(error), plan, ignored=ignored) from error
    except FatalError:
        _require_unchanged(each, plan)
        raise
    _require_unchanged(each, plan)


def _parse(each: FileSlice, plan: ReadPlan) -> Iterator[ParsedBlock]:
    file, codec = each.file, plan.format.codec_of(each.file.path)
    end = each.end if codec is None else sys.maxsize
    with open_decompressed(file.location, codec) as stream:
        part = FileRange(
            file.path,
            file.size,
            file.modified,
            stream,
            each.start,
            end,
            rescues=plan.rescues,
        )
        yield from plan.format.parse(part, plan.columns)


def _require_unchanged(each: FileSlice, plan: ReadPlan) -> None:
    path = each.file.path
    try:
        found = storage.status(each.file.location)
        changed = what_changed(each.file, found) if found else None
    except OSError as error:
        raise _unreadable_error(each, str(error)) from error
    if found is None and not storage.folder_exists(each.file.location):
        raise _unreadable_error(
            each, "its folder is gone, perhaps a mount that dropped"
        )
    if found is None:
        gone = "the file is gone since it was discovered"
        raise _refused_error(each, gone, plan, ignored=plan.ignores_missing)
    if changed and plan.keeps_versions:
        _record(each, changed, LeftOut.REPLACED, plan)
        raise _replaced_error(path, changed)
    if changed:
        raise _refused_error(each, changed, plan, ignored=plan.ignores_corrupt)


def _unreadable_error(each: FileSlice, reason: str) -> RetryableError:
    return RetryableError(
        Condition.BAD_FILE,
        f"file {each.file.path!r} could not be read: {reason}; it may be read when "
        "what the system says is mended, so it is not put in quarantine: run again",
        {"path": each.file.path, "reason": reason},
    )


def _refused_error(
    each: FileSlice, reason: str, plan: ReadPlan, *, ignored: bool
) -> FatalError:
    error = _bad_file_error(each.file.path, reason)
    if not ignored:
        return error
    _record(each, reason, LeftOut.QUARANTINED, plan)
    return LeftOutError(error.condition, error.message, error.context)


def _record(each: FileSlice, reason: str, kind: LeftOut, plan: ReadPlan) -> None:
    if plan.ledger is None:
        return
    seq, path = each.file.seq, each.file.path
    now = datetime.now(UTC)
    plan.ledger.quarantine(QuarantinedFile(seq, path, reason, plan.run_id, now, kind))


def _bad_file_error(path: str, reason: str) -> FatalError:
    return FatalError(
        Condition.BAD_FILE,
        f"file {path!r} cannot be read: {reason}; land it again under a new name, or "
        "set option 'sluice.badFiles' (bronze.bad_files) to 'quarantine' to go on "
        "without it",
        {"path": path, "reason": reason},
    )


def _replaced_error(path: str, reason: str) -> FatalError:
    return FatalError(
        Condition.FILE_REPLACED,
        f"file {path!r} was replaced before it was read: {reason}; start the query "
        "again: it leaves this version out and reads the newer one",
        {"path": path, "reason": reason},
    )


def _rows(parsed: ParsedBlock, each: FileSlice, plan: ReadPlan) -> pa.Table:
    if plan.fail_on_new_fields:
        _require_no_new_fields(parsed, each)
    if plan.fail_on_malformed:
        _require_well_formed(parsed, each, plan)
    _require_values(parsed, each, plan)
    filled = {
        METADATA: _metadata,
        plan.rescued_column: _rescued,
        plan.corrupt_column: _corrupt,
    }
    arrays = [
        filled[column.name](parsed, each, column.type)
        if column.name in filled
        else parsed.columns[column.name]
        for column in plan.output
    ]
    return pa.Table.from_arrays(arrays, schema=plan.output)


def _require_no_new_fields(parsed: ParsedBlock, each: FileSlice) -> None:
    names = {name for record in parsed.records or () for name in record.new_fields}
    if names:
        raise FatalError(
            Condition.NEW_FIELDS,
            f"file {each.file.path!r} has fields that the schema does not: "
            f"{sorted(names)}; add them to the schema, or set "
            "cloudFiles.schemaEvolutionMode to 'rescue'",
            {"path": each.file.path, "fields": sorted(names)},
        )


def _require_well_formed(parsed: ParsedBlock, each: FileSlice, plan: ReadPlan) -> None:
    """Refuse a corrupt record, and a value that fits nowhere where nothing rescues."""
    keeps = plan.rescued_column in plan.output.names
    for record in parsed.records or ():
        misfits = () if keeps else record.rescued.keys() - set(record.new_fields)
        if record.corrupt is None and not misfits:
            continue
        shown = record.corrupt or rescued_json(record, each.file.path) or ""
        raise FatalError(
            Condition.MALFORMED_RECORD,
            f"file {each.file.path!r} has a record that is malformed: "
            f"{shown[:_SHOWN_CHARACTERS]}; mend it, or leave option 'mode' out to have "
            "it in the rescued data",
            {"path": each.file.path},
        )


def _require_values(parsed: ParsedBlock, each: FileSlice, plan: ReadPlan) -> None:
    """Refuse a null that Spark does not expect: it would fail and name nothing."""
    required = {column.name for column in plan.output if not column.nullable}
    missing = [
        name
        for name in parsed.columns.column_names
        if name in required and parsed.columns[name].null_count
    ]
    if missing:
        raise FatalError(
            Condition.SCHEMA_UNSUPPORTED,
            f"file {each.file.path!r} has records without {missing}, which the schema "
            "declares NOT NULL; declare these columns without it",
            {"path": each.file.path, "columns": missing},
        )


def _rescued(parsed: ParsedBlock, each: FileSlice, kind: pa.DataType) -> pa.Array:
    if parsed.records is None:
        return pa.nulls(parsed.num_rows, kind)
    texts = [rescued_json(record, each.file.path) for record in parsed.records]
    return pa.array(texts, kind)


def _corrupt(parsed: ParsedBlock, _each: FileSlice, kind: pa.DataType) -> pa.Array:
    if parsed.records is None:
        return pa.nulls(parsed.num_rows, kind)
    return pa.array([record.corrupt for record in parsed.records], kind)


def _metadata(parsed: ParsedBlock, each: FileSlice, kind: pa.DataType) -> pa.Array:
    known: dict[str, object] = {
        "file_path": each.file.path,
        "file_name": each.file.path.rsplit("/", 1)[-1],
        "file_size": each.file.size,
        "file_block_start": each.start,
        "file_block_length": each.end - each.start,
        "file_modification_time": each.file.modified,
    }
    row = {child.name: known.get(child.name) for child in kind}
    return pa.repeat(pa.scalar(row, kind), parsed.num_rows)
