"""Landed files that change and are read again."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from deltalake import DeltaTable

from sluice.ledger.quarantine import QuarantinedFile
from sluice.replay.result import ReplayResult
from sluice.replay.run import run_replay
from sluice.replay.select import Selection
from support.builders import (
    PipelineBuilder,
    order,
    pipeline_config,
)
from support.delta_rows import read_delta

DDL = "order_id string, order_date string, payment_method string"


def declared(lake: Path, ddl: str, **more: object) -> PipelineBuilder:
    """Return a pipeline over ``lake`` with a schema."""
    config = pipeline_config(lake, bronze={"source": {"schema": ddl}}, **more)
    return PipelineBuilder(config)


def rewrite(pipeline: PipelineBuilder, name: str, *methods: str, **more: str) -> Path:
    """Write a landed file again, with one order for each payment method."""
    path = Path(pipeline.config.landing_location, name)
    lines = [
        json.dumps(order(name, number) | {"payment_method": method} | more)
        for number, method in enumerate(methods)
    ]
    content = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def replay(pipeline: PipelineBuilder, glob: str, **options: object) -> ReplayResult:
    """Replay the files that a glob means."""
    selection = Selection(globs=(glob,))
    return run_replay(pipeline.config, selection, run_id="replay", **options)


def rows(pipeline: PipelineBuilder) -> list[dict]:
    """Return the rows of bronze."""
    return read_delta(pipeline.config.bronze_location).to_pylist()


def methods(pipeline: PipelineBuilder) -> Counter[tuple[str, str]]:
    """Return file and payment method of each row of bronze."""
    return Counter(
        (Path(row["_source_file"]).name, row["payment_method"])
        for row in rows(pipeline)
    )


def version(pipeline: PipelineBuilder) -> int:
    """Return the version of bronze."""
    return DeltaTable(pipeline.config.bronze_location).version()


def with_quarantined(lake: Path) -> PipelineBuilder:
    """Return a pipeline with a mended file of two rows that is still in quarantine."""
    pipeline = declared(lake, DDL)
    pipeline.land("b.json")
    path = rewrite(pipeline, "a.json.gz", "cash", "cash")
    pipeline.discover()
    (seq,) = [each.seq for each in pipeline.ledger.files() if each.path == str(path)]
    pipeline.ledger.quarantine(
        QuarantinedFile(seq, str(path), "cut off", "run-1", datetime.now(UTC))
    )
    pipeline.run_batch()
    return pipeline
