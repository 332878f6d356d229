"""Read a task's slices: bytes from storage, rows as Arrow batches in Spark's schema."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import closing
from datetime import UTC, datetime

import pyarrow as pa

from sluice import storage
from sluice.errors import Condition, FatalError, RetryableError, SluiceError
from sluice.formats.base import FileRange, ParsedBlock
from sluice.formats.content import Content, open_content
from sluice.formats.limits import bounded_memory
from sluice.formats.streams import read_content, too_much_error
from sluice.ledger.quarantine import LeftOut, QuarantinedFile
from sluice.ledger.verify import what_changed
from sluice.reading.dropped import Sieve
from sluice.reading.new_fields import NewFieldsError
from sluice.reading.partition import FileSlice
from sluice.reading.plan import ReadPlan
from sluice.reading.rows import require_right, to_rows
from sluice.reading.runs import Run, cut_runs
from sluice.reading.small import plain_content

# Fewer, larger batches cost Spark less; small files are joined up to this many rows.
_BATCH_ROWS = 10_000
# Rows may be whole files: what waits to be joined stays small whatever they hold.
_BATCH_BYTES = 32 << 20
# The most rows of a file that are held back until the whole of it could be read.
_HELD_BYTES = 256 << 20
# Files up to this size are parsed together, so many bytes at once.
_SMALL_BYTES = 64 << 10
_TOGETHER_BYTES = 1 << 20
# What they may hold where they are compressed.
_CONTENT_BYTES = 32 << 20

# What looking at a file fails with whose folder became a file, or a link to itself.
_SWAPPED = {errno.ELOOP, errno.ENOTDIR}


class LeftOutError(FatalError):
    """A file cannot be read, and is recorded: the next attempt goes on without it."""


def read_slices(
    slices: Iterable[FileSlice], plan: ReadPlan
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of ``slices`` in the schema of ``plan.output``.

    Each file is held against its row of the ledger when a slice is opened and after it
    was read. The rows of a call that raises must not be kept.

    Raises:
        NewFieldsError: a file has fields that the plan adds to the schema.
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
    for group in _groups(slices, plan):
        seen |= {each.file.seq for each in group}
        tables = _read_together(group, plan) if len(group) > 1 else None
        if tables is not None:
            yield from tables
            continue
        for each in group:
            if plan.goes_on and _is_whole(each):
                yield from _read_whole(each, plan, seen)
            else:
                yield from _read_slice(each, plan)


def _is_whole(each: FileSlice) -> bool:
    return each.start == 0 and each.end >= each.file.size


def _groups(slices: Iterable[FileSlice], plan: ReadPlan) -> Iterator[list[FileSlice]]:
    """Yield slices in order, small files in groups if they may be read together."""
    group: list[FileSlice] = []
    size = 0
    values: dict[str, str | None] = {}
    for each in slices:
        before, values = values, plan.folder_values(each.file.path)
        if group and values != before:
            yield group
            group, size = [], 0
        is_small = each.file.size <= _SMALL_BYTES and _is_whole(each)
        if not (is_small and plan.format.reads_together):
            yield from filter(None, (group, [each]))
            group, size = [], 0
            continue
        group.append(each)
        size += each.file.size
        if size >= _TOGETHER_BYTES:
            yield group
            group, size = [], 0
    yield from filter(None, (group,))


def _read_together(group: Sequence[FileSlice], plan: ReadPlan) -> list[pa.Table] | None:
    """Return the rows of small files, None where they must be read one by one.

    So they are where one is bad, whatever it raises: it is found there again, and
    named.
    """
    try:
        with bounded_memory(plan.limits):
            return _rows_of_group(group, plan)
    except Exception:  # noqa: BLE001 - read again one by one, where it is raised
        return None


def _rows_of_group(group: Sequence[FileSlice], plan: ReadPlan) -> list[pa.Table] | None:
    contents = list(_contents(group, plan))
    blocks, counts = plan.format.parse_together(
        contents, plan.columns, rescues=plan.rescues
    )
    if sum(counts) != sum(block.num_rows for block in blocks):
        return None
    cut = cut_runs(blocks, map(Run, group, counts))
    with _sieve(plan) as sieve:
        sifted = [sieve.sift(block, mine) for block, mine in cut]
        for block, _ in sifted:
            require_right(block, group[0].file.path, plan)
        for each in group:
            _require_unchanged(each, plan)
        sieve.finish(group)
    return [to_rows(block, mine, plan) for block, mine in sifted]


def _sieve(plan: ReadPlan) -> closing[Sieve]:
    return closing(Sieve(plan.book, plan.columns, keeps_rescued=plan.keeps_rescued))


def _contents(group: Iterable[FileSlice], plan: ReadPlan) -> Iterator[bytes]:
    """Yield what small files hold, as long as all of it stays small."""
    left = _CONTENT_BYTES
    within = storage.real_folders(plan.within)
    for each in group:
        content = plain_content(each.file, plan.format, within)
        if content is None:
            content = _opened_content(each, plan, left)
        left -= len(content)
        if left < 0:
            raise too_much_error("small files hold", _CONTENT_BYTES)
        yield content


def _opened_content(each: FileSlice, plan: ReadPlan, limit: int) -> bytes:
    _require_unchanged(each, plan)
    opened = _open(each, plan)
    # Without a size each read would get as much memory as all may have.
    size = each.file.size if opened.is_plain else None
    with opened.stream as stream:
        return read_content(stream, limit, size=size)


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
    with _sieve(plan) as sieve:
        yield from _read_sifted(each, plan, sieve)
        sieve.finish([each])


def _read_sifted(each: FileSlice, plan: ReadPlan, sieve: Sieve) -> Iterator[pa.Table]:
    _require_unchanged(each, plan)
    try:
        with bounded_memory(plan.limits):
            for parsed in parse_slice(each, plan):
                kept, runs = sieve.sift(parsed, [Run(each, parsed.num_rows)])
                require_right(kept, each.file.path, plan)
                yield to_rows(kept, runs, plan)
    except OSError as error:
        # What changes while it is read fails in many ways; say which it was.
        _require_unchanged(each, plan)
        # pyarrow's error for a damaged compressed file has no number; the system's own
        # have one, and may be gone at the next attempt.
        if error.errno is not None:
            raise _unreadable_error(each, str(error)) from error
        raise _corrupt_error(each, str(error), plan) from error
    except (SluiceError, NewFieldsError):
        _require_unchanged(each, plan)
        raise
    except Exception as error:
        # What libraries raise on bytes of others has no common type, and one file must
        # not keep its neighbours from the table.
        _require_unchanged(each, plan)
        raise _corrupt_error(each, _reason(error), plan) from error
    _require_unchanged(each, plan)


def parse_slice(each: FileSlice, plan: ReadPlan) -> Iterator[ParsedBlock]:
    """Yield the records of a slice by the plan's columns, whatever else it says.

    Raises:
        OSError: the file cannot be read.
        FatalError: it cannot be decompressed.
    """
    file, content = each.file, _open(each, plan)
    with content.stream as stream:
        if each.start and not content.is_plain:
            return  # its name did not say so, and the first slice reads all of it
        part = FileRange(
            file.path,
            file.size,
            file.modified,
            stream,
            each.start,
            each.end if content.is_plain else sys.maxsize,
            rescues=plan.rescues,
        )
        yield from plan.format.parse(part, plan.columns)


def _open(each: FileSlice, plan: ReadPlan) -> Content:
    location, within = each.file.location, plan.within
    if not plan.format.compressible:
        return Content(storage.open_input(location, within=within), is_plain=True)
    most = plan.limits.unpacked_bytes(each.file.size)
    is_utf8 = plan.format.is_utf8
    return open_content(location, is_utf8=is_utf8, most=most, within=within)


def _require_unchanged(each: FileSlice, plan: ReadPlan) -> None:
    path = each.file.path
    try:
        found = storage.status(each.file.location)
        changed = what_changed(each.file, found) if found else None
    except OSError as error:
        if error.errno in _SWAPPED:
            raise _corrupt_error(each, _swapped(error), plan) from error
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
        raise _corrupt_error(each, changed, plan)


def _swapped(error: OSError) -> str:
    return f"a file or a loop of links stands on the way to it: {error.strerror}"


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return (
            "it takes more memory than option 'sluice.maxFileMemory' allows, or than "
            f"there is: {str(error) or 'none for Python'}"
        )
    return f"{type(error).__name__}: {error}"


def _corrupt_error(each: FileSlice, reason: str, plan: ReadPlan) -> FatalError:
    return _refused_error(each, reason, plan, ignored=plan.ignores_corrupt)


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
    if plan.book and plan.book.bad_records:
        plan.book.bad_records.keep_file(each, reason)
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
