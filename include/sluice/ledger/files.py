"""The ledger's table of files: one row for every file version ever discovered.

Rows are numbered without gaps and never changed. They are appended through the very
snapshot that was compared, so the numbers' order is the order of the commits.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from deltalake import DeltaTable, Transaction

from sluice.delta.tables import append_once, equal, literal, read_table, stream_table
from sluice.model import FileVersion, LedgerFile

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
# What distinguishes two versions of a file, the path first.
VERSION_COLUMNS = ("path", "size", "modified", "etag")


@dataclass(frozen=True)
class FilesSnapshot:
    """The table as it was at one moment; ``high`` is its highest seq, 0 when empty."""

    table: DeltaTable
    app_id: str
    high: int

    @classmethod
    def of(cls, table: DeltaTable, app_id: str) -> FilesSnapshot:
        """Return the snapshot that ``table`` has open."""
        return cls(table, app_id, table.transaction_version(app_id) or 0)

    @property
    def _is_old(self) -> str:
        # An append moves the table object itself on to the version it made.
        return f"seq <= {self.high}"

    @property
    def location(self) -> str:
        """Where the table is."""
        return self.table.table_uri

    def batches(
        self, columns: Sequence[str], *, after: int = 0
    ) -> Iterator[pa.RecordBatch]:
        """Yield some columns of the rows after one seq, a few thousand at a time."""
        where = f"seq > {after} and {self._is_old}"
        return stream_table(self.table, columns=columns, where=where)

    def files(self, after: int = 0, up_to: int | None = None) -> list[LedgerFile]:
        """Return the files with ``after < seq <= up_to``, in order of seq."""
        where = f"seq > {after}"
        if up_to is not None:
            where += f" and seq <= {up_to}"
        found = read_table(
            self.table, columns=("seq", *VERSION_COLUMNS), where=where, order_by="seq"
        )
        return [LedgerFile(**row) for row in found.to_pylist()]

    def keys(self, *, by_version: bool, after: int = 0) -> Iterator[Hashable]:
        """Yield what ``key_of`` returns for each file with ``seq > after``."""
        columns = VERSION_COLUMNS if by_version else VERSION_COLUMNS[:1]
        for batch in self.batches(columns, after=after):
            values = [column.to_pylist() for column in batch.columns]
            yield from zip(*values, strict=True) if by_version else values[0]

    def append(self, files: Sequence[FileVersion], *, run_id: str) -> bool:
        """Number ``files`` on from ``high``; False where another append came first."""
        transaction = Transaction(self.app_id, self.high + len(files))
        rows = _completed(_rows(files, self.high, run_id), self.table)
        return append_once(self.table, rows, transaction)

    def first_path(self) -> str:
        """Return the path of the first file, empty where there is none.

        It has no times, for pyarrow imports pandas to give those to Python.
        """
        found = read_table(self.table, columns=["path"], where="seq = 1")
        return str(found["path"][0]) if found.num_rows else ""

    def last_path(self, root: str) -> str:
        """Return the last path below ``root``, empty where there is none."""
        prefix = root.rstrip("/") + "/"
        # "0" is the character after "/"
        where = f"path >= {literal(prefix)} and path < {literal(prefix[:-1] + '0')}"
        where = f"(({where}) or {equal(path=root)}) and {self._is_old}"
        found = read_table(self.table, columns=["max(path) as path"], where=where)
        return found["path"][0].as_py() or ""


def unknown_files(
    listed: Sequence[FileVersion],
    known: Iterable[Hashable],
    *,
    by_version: bool = False,
) -> list[FileVersion]:
    """Return the listed files whose key is not among the ``known``, each file once.

    They come in the order of their modification times, oldest first, and then of their
    paths: the order decides which micro-batch a file joins, never whether it does.
    """
    asked = {key_of(file, by_version=by_version) for file in listed}
    fresh = asked.difference(known)
    found = []
    for file in sort_by_arrival(listed):
        key = key_of(file, by_version=by_version)
        if key in fresh:
            found.append(file)
            fresh.remove(key)
    return found


def number_files(files: Sequence[FileVersion], *, after: int) -> list[LedgerFile]:
    """Return ``files`` as the ledger has them, numbered on from ``after``."""
    return [
        LedgerFile(seq, file.path, file.size, file.modified, file.etag)
        for seq, file in enumerate(files, start=after + 1)
    ]


def key_of(file: FileVersion, *, by_version: bool) -> Hashable:
    """Return what identifies ``file``: its path, or all that distinguishes versions."""
    if not by_version:
        return file.path
    return file.path, file.size, file.modified, file.etag


def sort_by_arrival(files: Iterable[FileVersion]) -> list[FileVersion]:
    """Return ``files`` in the order in which the ledger numbers them."""
    return sorted(files, key=lambda file: (file.modified, file.path))


def _rows(files: Sequence[FileVersion], high: int, run_id: str) -> pa.Table:
    count = len(files)
    columns = [
        pa.array(range(high + 1, high + count + 1), pa.int64()),
        pa.array([file.path for file in files], pa.string()),
        pa.array([file.size for file in files], pa.int64()),
        pa.array([file.modified for file in files], _TIMESTAMP),
        pa.array([file.etag for file in files], pa.string()),
        pa.repeat(pa.scalar(datetime.now(UTC), _TIMESTAMP), count),
        pa.repeat(run_id, count),
    ]
    return pa.table(columns, schema=FILES_SCHEMA)


def _completed(rows: pa.Table, table: DeltaTable) -> pa.Table:
    """Add nulls for the columns of ``table`` that another release gave it."""
    for field in pa.schema(table.schema().to_arrow()):
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows
