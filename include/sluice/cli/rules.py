"""``sluice rules``: what is expected of rows, and how many violate it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
import yaml

from sluice.cli.output import (
    JsonOption,
    PipelineArgument,
    print_json,
    print_line,
    print_rows,
)
from sluice.config import load_pipeline
from sluice.history.violations import list_violations, total_violations
from sluice.history.windows import count_violating
from sluice.quality.suggest import suggest_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sluice.config import Expectation, PipelineConfig


class Action(StrEnum):
    """What may be done beside a list of the rules."""

    SUGGEST = "suggest"


def rules(
    pipeline: PipelineArgument,
    action: Annotated[
        Action | None,
        typer.Argument(help="suggest: propose rules that hold for all rows of bronze."),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the rules on rows with how many rows, of how many files, violate each.

    Of a silver table it is how many of its windows do so now.

    With --json also the counts of each file and micro-batch.

    With suggest it reads the bronze table once, and prints what to paste into the
    pipeline file.
    """
    config = load_pipeline(pipeline)
    if action is Action.SUGGEST:
        _suggest(config, as_json=as_json)
        return
    rows = _rows(config)
    if as_json:
        print_json({"rules": rows, "counts": list_violations(config)})
    else:
        print_rows(f"Rules of {pipeline}", rows)


def _suggest(config: PipelineConfig, *, as_json: bool) -> None:
    """Print the rules that are proposed as a pipeline file has them."""
    found = suggest_rules(config)
    rules = {
        name: {"expect": condition, "on_violation": "warn"}
        for name, condition in found.items()
    }
    if as_json:
        print_json(rules)
        return
    if not rules:
        print_line("nothing to propose that is not expected already")
        return
    text = yaml.safe_dump(
        {"bronze": {"expectations": rules}},
        sort_keys=False,
        allow_unicode=True,
        width=1000,
    )
    for line in text.splitlines():
        print_line(line)


def _rows(config: PipelineConfig) -> list[dict[str, object]]:
    """Return each rule of the pipeline file, then those that it has no more."""
    found = _of_table("bronze", config.bronze.rules, total_violations(config))
    for silver in config.silver:
        now: dict[str, dict[str, object]] = {
            name: {"rows": rows, "files": None, "newest": None}
            for name, rows in count_violating(config.silver_location(silver)).items()
        }
        found += _of_table(silver.name, silver.expectations, now)
    return found


def _of_table(
    table: str,
    rules: Mapping[str, Expectation],
    totals: Mapping[str, dict[str, object]],
) -> list[dict[str, object]]:
    files = 0 if table == "bronze" else None
    none: dict[str, object] = {"rows": 0, "files": files, "newest": None}
    rows = [
        {
            "table": table,
            "rule": name,
            "on_violation": each.on_violation,
            "expect": each.expect,
            **totals.get(name, none),
        }
        for name, each in rules.items()
    ]
    gone: dict[str, object] = {"on_violation": "removed", "expect": None}
    rows += [
        {"table": table, "rule": name, **gone, **totals[name]}
        for name in sorted(totals.keys() - rules.keys())
    ]
    return rows
