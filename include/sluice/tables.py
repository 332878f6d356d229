"""Read a Delta table into Arrow without leaving threads behind.

Arrow's read-ahead threads call back into Python for delta-rs's file system. They may
outlive a short process and end it with SIGABRT after all its work, "terminate called
without an active exception" (apache/arrow#34314): about one process in ten on a busy
machine. So a table on a disk is read by Arrow's own file system, and none read ahead.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler

from sluice.paths import is_local, normalize

_NO_READ_AHEAD = ds.ParquetFragmentScanOptions(pre_buffer=False)


def table_filesystem(location: str) -> pafs.FileSystem:
    """Return a file system whose root is the table at ``location``."""
    if is_local(location):
        return pafs.SubTreeFileSystem(location, pafs.LocalFileSystem())
    return pafs.PyFileSystem(DeltaStorageHandler(location))


def read_table(
    table: DeltaTable,
    *,
    columns: Sequence[str] | None = None,
    condition: pc.Expression | None = None,
) -> pa.Table:
    """Return the rows of ``table`` that meet ``condition``, in one thread."""
    filesystem = table_filesystem(normalize(table.table_uri))
    return table.to_pyarrow_dataset(filesystem=filesystem).to_table(
        columns=list(columns) if columns else None,
        filter=condition,
        use_threads=False,
        fragment_scan_options=_NO_READ_AHEAD,
    )
