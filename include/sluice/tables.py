"""Read a Delta table into Arrow without leaving threads behind."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

# Arrow's read-ahead threads may outlive a short process and end it with SIGABRT after
# its work: "terminate called without an active exception" (apache/arrow#34314), seen in
# about one of twenty processes on a busy machine, never without read-ahead.
_NO_READ_AHEAD = ds.ParquetFragmentScanOptions(pre_buffer=False)


def read_table(
    table: DeltaTable,
    *,
    columns: Sequence[str] | None = None,
    condition: pc.Expression | None = None,
) -> pa.Table:
    """Return the rows of ``table`` that meet ``condition``, in one thread."""
    return table.to_pyarrow_dataset().to_table(
        columns=list(columns) if columns else None,
        filter=condition,
        use_threads=False,
        fragment_scan_options=_NO_READ_AHEAD,
    )
