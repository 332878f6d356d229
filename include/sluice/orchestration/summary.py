"""What a person reads at the end of a run: what each step did, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from sluice.config import PipelineConfig
from sluice.model import StepSummary
from sluice.paths import join
from sluice.visible import visible


def print_summary(
    console: Console,
    config: PipelineConfig,
    steps: Sequence[StepSummary],
    *,
    verdict: str,
) -> None:
    """Print what each step counted, the verdict, where all is, and what to do next."""
    rows = summary_rows(config, steps, verdict=verdict)
    width = max(len(name) for name, _ in rows)
    console.print()
    for name, text in rows:
        # Not a table, which would break paths in a narrow terminal.
        line = Text.assemble((name.ljust(width + 2), "bold"), visible(text))
        console.print(line, soft_wrap=True)
    console.print()


def summary_rows(
    config: PipelineConfig, steps: Sequence[StepSummary], *, verdict: str
) -> list[tuple[str, str]]:
    """Return the rows of the summary as name and text."""
    done = [(step.step, describe_counts(step.counts)) for step in steps]
    notes = [("note", note) for step in steps for note in step.notes]
    silver = [
        (f"table {each.name}", config.silver_location(each)) for each in config.silver
    ]
    current = [
        (f"table {each.name}", config.current_location(each)) for each in config.current
    ]
    return [
        *done,
        *notes,
        ("audit", verdict),
        ("table bronze", config.bronze_location),
        *silver,
        *current,
        ("report", join(config.reports_location, "audit.html")),
        ("next", next_commands(config)),
    ]


def describe_counts(counts: Mapping[str, int]) -> str:
    """Return counts as ``12 files · 1,200 rows``."""
    return " · ".join(
        f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items()
    )


def next_commands(config: PipelineConfig) -> str:
    """Return what a newcomer would type next."""
    return (
        f"make run · .venv/bin/sluice files {config.called} · "
        f".venv/bin/sluice audit {config.called} · make up"
    )
