"""What may happen to a pipeline of ``PipelineBuilder``, one function each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

from deltalake import DeltaTable

from support.builders import PipelineBuilder

Damage = Callable[[PipelineBuilder], object]


def restore(version: int) -> Damage:
    """RESTORE the table."""
    return lambda it: DeltaTable(it.config.bronze_location).restore(version)


def empty_table(pipeline: PipelineBuilder) -> None:
    """DELETE every row."""
    DeltaTable(pipeline.config.bronze_location).delete()


def lose_table(pipeline: PipelineBuilder) -> None:
    """Delete the table."""
    rmtree(pipeline.config.bronze_location)


def put_older_table_back(pipeline: PipelineBuilder) -> None:
    """Put a copy of the table in its place that lacks the newest two micro-batches."""
    log = Path(pipeline.config.bronze_location, "_delta_log")
    for version in (2, 3):
        (log / f"{version:020d}.json").unlink()


def lose_checkpoint(pipeline: PipelineBuilder) -> None:
    """Delete the checkpoint."""
    rmtree(pipeline.config.bronze_checkpoint_location)


def restore_and_lose_checkpoint(pipeline: PipelineBuilder) -> None:
    """RESTORE the table, and then delete the checkpoint."""
    restore(1)(pipeline)
    lose_checkpoint(pipeline)


def tear_offsets(pipeline: PipelineBuilder) -> None:
    """Cut the newest file of the offset log off."""
    path = pipeline.bronze.location / "offsets" / "3"
    path.write_text(path.read_text()[:20])


def lose_metadata(pipeline: PipelineBuilder) -> None:
    """Delete the query id."""
    pipeline.bronze.remove("metadata")


def lose_offsets(pipeline: PipelineBuilder) -> None:
    """Delete a file of the offset log whose micro-batch is committed."""
    pipeline.bronze.remove("offsets/2")


def lose_ledger(pipeline: PipelineBuilder) -> None:
    """Delete the schema folder with the ledger in it."""
    rmtree(pipeline.config.schema_location)


def lose_ledger_and_checkpoint(pipeline: PipelineBuilder) -> None:
    """Delete both."""
    lose_ledger(pipeline)
    lose_checkpoint(pipeline)


def replace_ledger(pipeline: PipelineBuilder) -> None:
    """Delete the ledger, and let a discovery make a new one."""
    lose_ledger(pipeline)
    pipeline.discover()


def lose_claims(pipeline: PipelineBuilder) -> None:
    """Delete the table of claims."""
    rmtree(Path(pipeline.ledger.root, "claims"))


def lose_claims_and_checkpoint(pipeline: PipelineBuilder) -> None:
    """Delete both."""
    lose_claims(pipeline)
    lose_checkpoint(pipeline)


def lose_files_table(pipeline: PipelineBuilder) -> None:
    """Delete the table of files."""
    rmtree(Path(pipeline.ledger.root, "files"))


def lose_ledger_data(pipeline: PipelineBuilder) -> None:
    """Lose a data file of the table of files, as a partial restore does."""
    min(Path(pipeline.ledger.root, "files").glob("*.parquet")).unlink()


def tear_ledger_log(table: str) -> Damage:
    """Cut off the newest commit of a table of the ledger."""

    def tear(pipeline: PipelineBuilder) -> None:
        path = max(Path(pipeline.ledger.root, table, "_delta_log").glob("*.json"))
        path.write_bytes(path.read_bytes()[:-20])

    return tear


def tear_offsets_and_ledger(pipeline: PipelineBuilder) -> None:
    """Cut files of both off: one is found before the other is looked at."""
    tear_ledger_log("claims")(pipeline)
    tear_offsets(pipeline)


def set_ledger_back(pipeline: PipelineBuilder) -> None:
    """Take the newest two files and claims away again."""
    for name in ("files", "claims"):
        location = Path(pipeline.ledger.root, name, "_delta_log")
        for version in (3, 4):
            (location / f"{version:020d}.json").unlink()


def set_ledger_and_checkpoint_back(pipeline: PipelineBuilder) -> None:
    """Put both back from a backup that is older than the table."""
    set_ledger_back(pipeline)
    for batch in (2, 3):
        pipeline.bronze.remove(f"offsets/{batch}")
        pipeline.bronze.remove(f"commits/{batch}")


def lose_silver_checkpoint(pipeline: PipelineBuilder) -> None:
    """Delete silver's checkpoint."""
    rmtree(pipeline.silver.location)


def tear_silver_commit(pipeline: PipelineBuilder) -> None:
    """Cut off a file of silver's commit log."""
    pipeline.silver.write("commits/1", "v1")


def set_silver_back(pipeline: PipelineBuilder) -> None:
    """Take silver's checkpoint back by a micro-batch."""
    for key in ("offsets/1", "commits/1"):
        pipeline.silver.remove(key)


def lose_silver_state(pipeline: PipelineBuilder) -> None:
    """Delete the open windows, and leave the logs."""
    rmtree(pipeline.silver.location / "state")


def lose_silver_table(pipeline: PipelineBuilder) -> None:
    """Delete silver's table."""
    rmtree(pipeline.config.silver_location(pipeline.windows))


def restore_silver(pipeline: PipelineBuilder) -> None:
    """RESTORE silver's table."""
    DeltaTable(pipeline.config.silver_location(pipeline.windows)).restore(0)


def cut_bronze_log(pipeline: PipelineBuilder) -> None:
    """Let commits come that silver has not read, and take the first, as time does."""
    bronze = DeltaTable(pipeline.config.bronze_location)
    unread = bronze.version() + 1
    for days in (30, 31):
        bronze.alter.set_table_properties(
            {"delta.logRetentionDuration": f"interval {days} days"}
        )
    bronze.create_checkpoint()
    for version in range(unread + 1):
        Path(
            pipeline.config.bronze_location, "_delta_log", f"{version:020}.json"
        ).unlink()


def replace_bronze(pipeline: PipelineBuilder) -> None:
    """Put another table in bronze's place that has the same rows."""
    version = DeltaTable(pipeline.config.bronze_location).version() + 1
    offset = {"reservoirId": "another", "reservoirVersion": version, "index": -1}
    pipeline.silver.plan(1, json.dumps(offset))
