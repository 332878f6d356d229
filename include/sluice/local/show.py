"""What a person sees of a run: each task as it ends, then the summary or the error."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rich.console import Console

from sluice.config import PipelineConfig
from sluice.delta.tables import equal
from sluice.errors import ExitCode
from sluice.history import read_steps
from sluice.history.tables import read_rows
from sluice.local.once import Event
from sluice.orchestration.summary import print_summary

_MARKS = {"success": "[green]done[/]", "skipped": "[dim]skipped[/]"}


def follow(console: Console, events: Iterable[Event]) -> Event:
    """Show each task of a run as it goes; return the last event, with the first error.

    The last event says how the run ended; ``error`` is added to it.
    """
    started = time.monotonic()
    first_error: str | None = None
    last: Event = {}
    with console.status("Airflow starts …") as status:
        for event in events:
            last = event
            state, task = event.get("state"), event.get("task")
            if task is None:
                continue
            if state == "running":
                started = time.monotonic()
                status.update(f"{task} …")
            else:
                _show_end(console, str(task), str(state), time.monotonic() - started)
                first_error = first_error or event.get("error")
    return {**last, "error": first_error}


def conclude(console: Console, config: PipelineConfig, last: Event) -> int:
    """Show the summary of a run, or its first error; return the exit code."""
    run_id, tasks = str(last["run_id"]), last["tasks"]
    if last["state"] != "success":
        failed = [task for task, state in tasks.items() if state == "failed"]
        console.print(f"[red]run {run_id} failed in {', '.join(failed)}[/]")
        console.print(str(last["error"]), markup=False, highlight=False)
        return ExitCode.DATA
    if tasks["audit"] != "success":
        console.print("nothing was left to do: another run has taken it in")
        return ExitCode.DONE
    verdict = _latest_verdict(config)
    print_summary(console, config, read_steps(config, run_id), verdict=verdict)
    return ExitCode.DONE


def _show_end(console: Console, task: str, state: str, seconds: float) -> None:
    mark = _MARKS.get(state, f"[red]{state}[/]")
    console.print(f"  {task:<10} {mark:<20} {seconds:6.1f} s", highlight=False)


def _latest_verdict(config: PipelineConfig) -> str:
    location = config.ops_location("audits")
    mine = equal(pipeline=config.name)
    rows = read_rows(location, mine, ["audited_at", "verdict"])
    newest = max(rows, key=lambda row: str(row["audited_at"]), default=None)
    return "not recorded" if newest is None else str(newest["verdict"])
