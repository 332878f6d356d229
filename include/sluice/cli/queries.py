"""``sluice queries``: what runs now, what it did last, and a stop between batches."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from sluice.checkpoint import read_checkpoint
from sluice.cli.batches import batch_row
from sluice.cli.output import JsonOption, print_json, print_line, print_rows
from sluice.config import PipelineConfig, list_pipelines, load_pipeline
from sluice.control.holder import this_process
from sluice.control.lease import Lease, find_living, read_lease
from sluice.control.stop import request_stop
from sluice.errors import Condition, UsageError
from sluice.history.batch import Batch
from sluice.history.batches import list_checkpoint_batches, query_batches, to_json
from sluice.paths import normalize
from sluice.pipeline import Query
from sluice.visible import visible_lines

_POLL_SECONDS = 0.5

queries = typer.Typer(
    name="queries",
    help="The queries that run now: list them, their progress, stop them.",
    invoke_without_command=True,
)

NAME_HELP = (
    "A query (<pipeline>_bronze, <pipeline>_<silver>), a pipeline or its YAML file for "
    "all its queries, or the folder of a checkpoint."
)


@dataclass(frozen=True)
class _Known:
    """A query that a user may ask for; ``pipeline`` is None for a mere checkpoint."""

    name: str
    checkpoint: str
    pipeline: tuple[PipelineConfig, Query] | None = None


@queries.callback()
def list_running(
    context: typer.Context,
    pipeline: Annotated[
        str | None, typer.Option(help="Of this pipeline only: its name or YAML file.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the queries that run now: those whose lease is held."""
    if context.invoked_subcommand:
        return
    known = _of_pipeline(load_pipeline(pipeline)) if pipeline else list(_all_known())
    leases = [read_lease(each.checkpoint) for each in known]
    running = [_row(each) for each in leases if each and not each.is_free]
    if as_json:
        print_json(running)
    else:
        print_rows("running queries", running)


@queries.command()
def progress(
    name: Annotated[str, typer.Argument(help=NAME_HELP)],
    last: Annotated[int, typer.Option(min=1, help="How many micro-batches.")] = 10,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the last micro-batches of a query, the one that runs included."""
    found = {each.name: _batches(each)[-last:] for each in _find(name)}
    if as_json:
        print_json([to_json(batch) for batches in found.values() for batch in batches])
        return
    for query, batches in found.items():
        print_rows(query, [batch_row(batch) for batch in batches])


@queries.command()
def stop(
    names: Annotated[list[str] | None, typer.Argument(help=NAME_HELP)] = None,
    *,
    stop_all: Annotated[
        bool, typer.Option("--all", help="Every query of every pipeline.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until they have ended, however long.")
    ] = False,
) -> None:
    """Let queries finish their micro-batch and end; their jobs exit 0.

    A query that does not run is reported; nothing stops its next run. Airflow begins
    the task after: pause the Dag first to end the whole run.
    """
    if bool(names) == stop_all:
        raise UsageError(Condition.USAGE, "name queries to stop, or give --all")
    found = [each for name in names or () for each in _find(name)]
    asked = _ask(list(_all_known()) if stop_all else found, quiet=stop_all)
    if wait:
        for lease in asked:
            _await_end(lease)


def _ask(known: Sequence[_Known], *, quiet: bool) -> list[Lease]:
    by = f"{this_process().user}@{this_process().host}"
    asked = []
    for each in known:
        lease = request_stop(each.checkpoint, requested_by=by)
        if lease is not None:
            asked.append(lease)
            print_line(f"{each.name}: asked to stop after its micro-batch: {lease}")
        elif not quiet:
            print_line(f"{each.name}: does not run")
    if quiet and not asked:
        print_line("no query runs")
    return asked


def _await_end(lease: Lease) -> None:
    while (now := find_living(lease.checkpoint)) and now.epoch == lease.epoch:
        time.sleep(_POLL_SECONDS)
    print_line(f"{lease.query}: has ended")


def _row(lease: Lease) -> dict[str, object]:
    checkpoint = read_checkpoint(lease.checkpoint)
    age = datetime.now(UTC) - lease.heartbeat_at
    return {
        "query": lease.query,
        "run_id": lease.run_id,
        "since": lease.acquired_at,
        "batch_id": checkpoint.last_planned if checkpoint else None,
        "heartbeat_age_seconds": round(age.total_seconds(), 1),
        "host": lease.holder.host,
        "pid": lease.holder.pid,
        "checkpoint": lease.checkpoint,
    }


def _find(name: str) -> list[_Known]:
    """Return the queries that ``name`` means.

    Raises:
        UsageError: there are none; the known ones are named.
    """
    if name.endswith((".yaml", ".yml")):
        return _of_pipeline(load_pipeline(name))
    if "/" in name:
        return [_at_checkpoint(normalize(name))]
    known = list(_all_known())
    found = [each for each in known if name in {each.name, _pipeline_name(each)}]
    if not found:
        raise UsageError(
            Condition.USAGE,
            f"query {name!r}: there is none of that name; known are "
            f"{[each.name for each in known]}, or name a pipeline, its YAML file or a "
            "checkpoint",
            {"known": [each.name for each in known]},
        )
    return found


def _at_checkpoint(location: str) -> _Known:
    lease = read_lease(location)
    if lease is None and read_checkpoint(location) is None:
        raise UsageError(
            Condition.PATH_NOT_FOUND,
            f"{location!r} is no checkpoint: no query has left anything there; "
            "`sluice queries` shows those of the queries that run",
            {"path": location},
        )
    return _Known(lease.query if lease else location, location)


def _batches(known: _Known) -> list[Batch]:
    if known.pipeline:
        return query_batches(*known.pipeline)
    return list_checkpoint_batches(known.checkpoint)


def _pipeline_name(known: _Known) -> str | None:
    return known.pipeline[0].name if known.pipeline else None


def _all_known() -> Iterator[_Known]:
    for path in list_pipelines():
        try:
            yield from _of_pipeline(load_pipeline(str(path)))
        except UsageError as error:  # others must be found although this one is wrong
            sys.stderr.write(f"WARNING: {visible_lines(str(error))}\n")


def _of_pipeline(config: PipelineConfig) -> list[_Known]:
    return [
        _Known(f"{config.name}_{query.name}", query.checkpoint, (config, query))
        for query in config.queries
    ]
