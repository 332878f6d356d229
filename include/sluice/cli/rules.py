"""``sluice rules``: what is expected of rows, and how many violate it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.cli.output import JsonOption, PipelineArgument, print_json, print_rows
from sluice.config import load_pipeline
from sluice.history.violations import list_violations, total_violations

if TYPE_CHECKING:
    from sluice.config import PipelineConfig


def rules(pipeline: PipelineArgument, *, as_json: JsonOption = False) -> None:
    """List the rules on rows with how many rows, of how many files, violate each.

    With --json also the counts of each file and micro-batch.
    """
    config = load_pipeline(pipeline)
    rows = _rows(config)
    if as_json:
        print_json({"rules": rows, "counts": list_violations(config)})
    else:
        print_rows(f"Rules of {pipeline}", rows)


def _rows(config: PipelineConfig) -> list[dict[str, object]]:
    """Return each rule of the pipeline file, then those that it has no more."""
    totals = total_violations(config)
    none: dict[str, object] = {"rows": 0, "files": 0, "newest": None}
    expectations = config.bronze.expectations
    rows = [
        {
            "rule": name,
            "on_violation": each.on_violation,
            "expect": each.expect,
            **totals.get(name, none),
        }
        for name, each in expectations.items()
    ]
    gone: dict[str, object] = {"on_violation": "removed", "expect": None}
    rows += [
        {"rule": name, **gone, **totals[name]}
        for name in sorted(totals.keys() - expectations.keys())
    ]
    return rows
