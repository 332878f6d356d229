"""The corruption corpus: damages to a pipeline, and the codes that an audit finds."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from sluice.history import record_step
from sluice.ledger.ledger import FILES_SCHEMA
from sluice.model import StepSummary
from support.builders import PipelineBuilder, window


def bronze_table(pipeline: PipelineBuilder) -> DeltaTable:
    """Open the bronze table."""
    return DeltaTable(pipeline.config.bronze_location)


def landed(pipeline: PipelineBuilder, name: str) -> str:
    """Return the path of a landed file."""
    return f"{pipeline.config.landing_location}/{name}"


def run_passed(pipeline: PipelineBuilder) -> None:
    """Record that bronze ran just now."""
    now = datetime.now(UTC)
    summary = StepSummary("bronze", "run-2")
    record_step(pipeline.config, summary, started=now, finished=now)


def ledger_files(pipeline: PipelineBuilder) -> str:
    """Return the location of the ledger's files table."""
    return f"{pipeline.ledger.root}/files"


def phantom(pipeline: PipelineBuilder, path: str) -> None:
    """Append a row to the ledger behind its back."""
    row = {
        "seq": 7,
        "path": path,
        "size": 10,
        "modified": datetime(2026, 1, 1, tzinfo=UTC),
        "etag": None,
        "discovered_at": datetime(2026, 1, 1, tzinfo=UTC),
        "run_id": "x",
    }
    rows = pa.Table.from_pylist([row], schema=FILES_SCHEMA)
    write_deltalake(ledger_files(pipeline), rows, mode="append")


def delete_rows(pipeline: PipelineBuilder) -> None:
    """Delete the rows of a landed file from bronze."""
    path = landed(pipeline, "1b.json")
    bronze_table(pipeline).delete(f"_source_file = '{path}'")


def delete_some_rows(pipeline: PipelineBuilder) -> None:
    """Delete one row of a landed file from bronze."""
    bronze_table(pipeline).delete("order_id = '1b.json-0'")


def lose_rows(pipeline: PipelineBuilder) -> None:
    """Let a micro-batch write fewer rows than its files hold."""
    path = Path(pipeline.land("3a.json", rows=4))
    whole = path.read_text()
    pipeline.run_batch(written=False, committed=False)
    status = path.stat()
    path.write_text("".join(whole.splitlines(keepends=True)[1:]))
    pipeline.write_rows([str(path)], batch_id=3)
    path.write_text(whole)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    pipeline.bronze.commit(3)


def ingest_twice(pipeline: PipelineBuilder) -> None:
    """Append a file's rows again, as another writer would."""
    pipeline.write_rows([landed(pipeline, "0a.json")])


def forget_in_ledger(pipeline: PipelineBuilder) -> None:
    """Delete a file's row from the ledger."""
    DeltaTable(ledger_files(pipeline)).delete("seq = 2")


def pass_over_file(pipeline: PipelineBuilder) -> None:
    """Land a file that the next run's discovery does not see."""
    pipeline.land("unseen.json")
    run_passed(pipeline)


def remove_landed(pipeline: PipelineBuilder) -> None:
    """Remove a file that was read."""
    Path(landed(pipeline, "0b.json")).unlink()


def add_phantom(pipeline: PipelineBuilder) -> None:
    """Give the ledger a file that never landed."""
    phantom(pipeline, landed(pipeline, "phantom.json"))


def repeat_path(pipeline: PipelineBuilder) -> None:
    """Give the ledger a path that it has."""
    phantom(pipeline, landed(pipeline, "0a.json"))


def rewrite_landed(pipeline: PipelineBuilder) -> None:
    """Write a file again that was read."""
    pipeline.land("0a.json", rows=9)


def touch_landed(pipeline: PipelineBuilder) -> None:
    """Write a file again with as many bytes as it had."""
    os.utime(landed(pipeline, "0a.json"), (1, 1))


def resize_landed(pipeline: PipelineBuilder) -> None:
    """Write a file again that keeps its modification time."""
    path = Path(landed(pipeline, "0a.json"))
    before = path.stat()
    path.write_bytes(path.read_bytes() + b"\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def touch_after_loss(pipeline: PipelineBuilder) -> None:
    """Lose rows of a file that was written again with as many bytes."""
    lose_rows(pipeline)
    os.utime(landed(pipeline, "3a.json"), (1, 1))


def lose_commit(pipeline: PipelineBuilder) -> None:
    """Lose a file in the middle of the commit log."""
    pipeline.bronze.remove("commits/1")


def lose_newest_commit(pipeline: PipelineBuilder) -> None:
    """Die between Delta's commit and Spark's."""
    pipeline.bronze.remove("commits/2")


def lose_silver_commit(pipeline: PipelineBuilder) -> None:
    """Lose a file of silver's commit log."""
    pipeline.silver.remove("commits/0")


def lose_offsets(pipeline: PipelineBuilder) -> None:
    """Lose a batch in the middle of the checkpoint."""
    pipeline.bronze.remove("offsets/1")
    pipeline.bronze.remove("commits/1")


def gap(pipeline: PipelineBuilder) -> None:
    """Let a batch end after what it read."""
    pipeline.bronze.plan(1, pipeline.offset(5))


def overlap(pipeline: PipelineBuilder) -> None:
    """Let a batch end before what it read."""
    pipeline.bronze.plan(1, pipeline.offset(3))


def go_back(pipeline: PipelineBuilder) -> None:
    """Let the newest batch end before it began."""
    pipeline.bronze.plan(2, pipeline.offset(3))


def late_start(pipeline: PipelineBuilder) -> None:
    """Lose the first claim."""
    DeltaTable(f"{pipeline.ledger.root}/claims").delete("start_seq = -1")


def skip_transaction(pipeline: PipelineBuilder) -> None:
    """Write a batch's rows without its Delta transaction."""
    pipeline.land("3a.json")
    pipeline.run_batch(transaction=False)


def skip_write(pipeline: PipelineBuilder) -> None:
    """Commit a batch in the checkpoint that the table never saw."""
    pipeline.land("3a.json")
    pipeline.run_batch(written=False)
    pipeline.land("4a.json")
    pipeline.run_batch()


def rewind(pipeline: PipelineBuilder) -> None:
    """Restore an older checkpoint."""
    pipeline.bronze.remove("offsets/2")
    pipeline.bronze.remove("commits/2")


def stranger(pipeline: PipelineBuilder) -> None:
    """Write rows of a file from elsewhere."""
    path = pipeline.land("elsewhere.json")
    pipeline.write_rows([path])
    Path(path).unlink()


def write_ahead(pipeline: PipelineBuilder) -> None:
    """Write rows of a file that no batch has read yet."""
    path = pipeline.land("ahead.json")
    pipeline.discover()
    pipeline.write_rows([path])


def lose_data_file(pipeline: PipelineBuilder) -> None:
    """Lose a data file of the table."""
    Path(bronze_table(pipeline).file_uris()[0].removeprefix("file://")).unlink()


def repeat_window(pipeline: PipelineBuilder) -> None:
    """Emit a window twice."""
    pipeline.run_silver_batch([window(0)])


CORPUS: list[tuple[Callable[[PipelineBuilder], None], list[str]]] = [
    (lose_rows, ["ROWS_MISSING"]),
    (delete_rows, ["ROWS_DELETED"]),
    (delete_some_rows, ["ROWS_DELETED"]),
    (ingest_twice, ["ROWS_DUPLICATED"]),
    (forget_in_ledger, ["NOT_IN_LEDGER"]),
    (pass_over_file, ["NOT_IN_LEDGER"]),
    (remove_landed, ["LEDGER_FILE_GONE"]),
    (add_phantom, ["LEDGER_FILE_GONE"]),
    (repeat_path, ["LEDGER_PATH_DUPLICATED"]),
    (rewrite_landed, ["FILE_CHANGED"]),
    (touch_landed, ["FILE_CHANGED"]),
    (resize_landed, ["FILE_CHANGED"]),
    (touch_after_loss, ["ROWS_MISSING", "FILE_CHANGED"]),
    (lose_commit, ["COMMIT_MISSING"]),
    (lose_newest_commit, ["COMMIT_MISSING"]),
    (lose_silver_commit, ["COMMIT_MISSING"]),
    (lose_offsets, ["OFFSETS_MISSING"]),
    (gap, ["RANGE_GAP"]),
    (overlap, ["RANGE_OVERLAP"]),
    (go_back, ["RANGE_OVERLAP"]),
    (late_start, ["RANGE_START"]),
    (skip_transaction, ["TRANSACTION_MISSING"]),
    (skip_write, ["TRANSACTION_MISSING"]),
    (rewind, ["CHECKPOINT_REWOUND"]),
    (stranger, ["TABLE_FILE_UNKNOWN"]),
    (write_ahead, ["ROWS_UNEXPECTED"]),
    (lose_data_file, ["TABLE_UNREADABLE"]),
    (repeat_window, ["WINDOW_DUPLICATED"]),
]
