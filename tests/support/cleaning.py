"""Pipelines that clean their landing folder, and what is left of it."""

from __future__ import annotations

import json
from pathlib import Path

from sluice.cleanup.pipeline import clean_landing
from sluice.history import archive_history
from sluice.ledger.events import EventKind
from support.builders import PipelineBuilder, pipeline_config

MOVE = {
    "cloudFiles.cleanSource": "MOVE",
    "cloudFiles.cleanSource.retentionDuration": "0 seconds",
}
DELETE = {"cloudFiles.cleanSource": "DELETE"}


def reader(
    lake: Path, name: str, landing: Path, options: dict[str, str] | None = None
) -> PipelineBuilder:
    """Return a pipeline that reads ``landing``, its lake its own."""
    source = {"path": str(landing), "options": options or {}}
    config = pipeline_config(lake / name, name=name, bronze={"source": source})
    landing.mkdir(parents=True, exist_ok=True)
    return PipelineBuilder(config)


def mover(lake: Path, **options: str) -> PipelineBuilder:
    """Return a pipeline that moves what it has to ``archive`` at once."""
    moving = MOVE | {"cloudFiles.cleanSource.moveDestination": str(lake / "archive")}
    return reader(lake, "orders", lake / "landing", moving | options)


def ingest(pipeline: PipelineBuilder) -> None:
    """Run a micro-batch over what has landed, and archive it."""
    pipeline.run_batch()
    archive_history(pipeline.config)


def run(pipeline: PipelineBuilder) -> dict[str, int]:
    """Clean, and return the counts."""
    summary = clean_landing(pipeline.config, run_id="run-1")
    return summary.counts if summary else {}


def landed(lake: Path) -> list[str]:
    """Return the names that a listing of the landing folder sees."""
    found = (lake / "landing").rglob("*")
    names = [str(path.relative_to(lake / "landing")) for path in found]
    return sorted(each for each in names if not each.startswith(("_", ".")))


def archived(lake: Path) -> list[str]:
    """Return the files below the destination."""
    files = (path for path in (lake / "archive").rglob("*") if path.is_file())
    return sorted(str(path.relative_to(lake / "archive")) for path in files)


def details(pipeline: PipelineBuilder) -> dict[str, dict[str, str]]:
    """Return what the ledger says of each archived file."""
    events = pipeline.ledger.events(EventKind.ARCHIVED)
    return {Path(each.path).name: json.loads(each.detail) for each in events}
