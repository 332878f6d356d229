"""Pipelines with rules on rows, and what they land."""

from __future__ import annotations

import json
from pathlib import Path

from sluice.config import PipelineConfig
from sluice.history.violations import list_violations
from support.delta_rows import read_delta

DDL = "order_id string, amount double, method string"
POSITIVE = {"expect": "amount >= 0"}
KNOWN = {"expect": "method in ('card', 'cash')"}


def configured(
    lake: Path, *, ddl: str = DDL, files: int = 1, **rules: dict[str, str]
) -> PipelineConfig:
    """Return a pipeline with rules, an empty folder and ``files`` in a micro-batch."""
    source = {"schema": ddl, "options": {"cloudFiles.maxFilesPerTrigger": files}}
    bronze = {"source": source, "expectations": rules}
    content = {"name": "orders", "lake": str(lake), "bronze": bronze}
    config = PipelineConfig.model_validate(content)
    Path(config.landing_location).mkdir(parents=True, exist_ok=True)
    return config


def land(config: PipelineConfig, name: str, *orders: tuple[object, object]) -> str:
    """Land a file of orders, each given by amount and method; return its path."""
    path = Path(config.landing_location, name)
    lines = [
        json.dumps({"order_id": f"{name}-{at}", "amount": amount, "method": method})
        for at, (amount, method) in enumerate(orders)
    ]
    path.write_text("\n".join(lines))
    return str(path)


def violations(config: PipelineConfig) -> dict[str, str | None]:
    """Return by order what the table says that it violates, read by delta-rs."""
    rows = read_delta(config.bronze_location).to_pylist()
    return {row["order_id"]: row["_violations"] for row in rows}


def counts(config: PipelineConfig) -> list[tuple[object, ...]]:
    """Return what is kept of each micro-batch, file and rule."""
    kept = ("run_id", "batch_id", "path", "rule", "rows")
    return [tuple(row[key] for key in kept) for row in list_violations(config)]


def quarantined(config: PipelineConfig) -> dict[str, str]:
    """Return by order what rows in quarantine violate, read by delta-rs."""
    rows = read_delta(config.quarantine_location).to_pylist()
    assert len(rows) == len({row["order_id"] for row in rows})
    return {row["order_id"]: row["_violations"] for row in rows}
