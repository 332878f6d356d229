"""The Airflow of this checkout: ``make run``, ``make up`` and ``make down``.

    python -m sluice.local.airflow run [--land N] [--pipeline NAME]
    python -m sluice.local.airflow up
    python -m sluice.local.airflow down

Neither Airflow nor Spark is imported here: with nothing to do this ends in a second.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from sluice.config import PipelineConfig, list_pipelines, load_pipeline
from sluice.control.processes import ProcessGroup, starting_group, stop_group
from sluice.errors import Condition, ExitCode, FatalError, SluiceError, UsageError
from sluice.local.api import AirflowApi
from sluice.local.environment import LocalAirflow, local_airflow
from sluice.local.once import dag_process, prepare, run_by_api
from sluice.local.private import close_home
from sluice.local.services import (
    admin_password,
    await_health,
    connect,
    start_services,
)
from sluice.local.show import conclude, follow
from sluice.preflight.run import preflight
from sluice.sample import land_next_hour

_SAMPLE_PIPELINE = "orders"
_DAGS_SECONDS = 60.0
# What a shell reports for a program that ended by SIGINT.
_INTERRUPTED = 130


def run(
    airflow: LocalAirflow, console: Console, *, pipeline: str, land: int | None
) -> int:
    """Land ``land`` hours of sample orders and run the pipeline's Dag once.

    None is one hour for the sample pipeline and nothing for others: a user's own data
    are not to be mixed with samples unasked.
    Where ``make up`` runs, the Dag is run there, else in a process of its own.
    """
    config = load_pipeline(pipeline)
    if land is None:
        land = int(config.name == _SAMPLE_PIPELINE)
    running = _running(airflow)
    if running or not land:
        _land(console, config, land)
        if not _find_work(console, config):
            return ExitCode.DONE
    if running:
        last = follow(
            console, run_by_api(connect(running), config.name, {}, logs=airflow.logs)
        )
        return conclude(console, config, last)
    # Airflow takes seconds to start: let it, while the orders land.
    with dag_process(airflow, config.name) as started:
        if land:
            _land(console, config, land)
            _find_work(console, config)
        last = follow(console, started.go_on())
    return conclude(console, config, last)


def up(airflow: LocalAirflow, console: Console) -> int:
    """Start Airflow in the background and let the schedules of the pipelines run."""
    running = _running(airflow)
    if running:
        console.print("Airflow runs already.")
    else:
        running = airflow
        with (
            console.status("Airflow starts …"),
            starting_group(airflow.home, airflow.port) as group,
        ):
            prepare(airflow)
            start_services(airflow, group)
            _unpause(console, await_health(airflow, group))
    console.print(f"address   {running.url}", highlight=False)
    console.print(f"log in    admin / {admin_password(running)}", highlight=False)
    console.print("stop      make down", highlight=False)
    return ExitCode.DONE


def down(airflow: LocalAirflow, console: Console) -> int:
    """Stop what ``up`` started; nothing of it, tasks included, is alive afterwards."""
    with console.status("Airflow stops …"):
        ended = stop_group(airflow.home)
    console.print("Airflow has stopped." if ended else "Airflow does not run.")
    return ExitCode.DONE


def main(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code."""
    given = _parser().parse_args(arguments)
    airflow = local_airflow()
    console = Console(soft_wrap=True)
    # Asked to end, clean up as on Ctrl-C: no process may be left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for path in close_home(airflow):
            console.print(
                f"{path}: others could read it; now they cannot", markup=False
            )
        # Lake and pipelines are those that the jobs will see.
        os.environ.update(airflow.environment())
        match given.command:
            case "run":
                return run(airflow, console, pipeline=given.pipeline, land=given.land)
            case "up":
                return up(airflow, console)
            case _:
                return down(airflow, console)
    except SluiceError as error:
        Console(stderr=True, soft_wrap=True).print(str(error), markup=False)
        return error.exit_code
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; the next run goes on where this was")
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sluice.local.airflow")
    commands = parser.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run", help="run a pipeline's Dag once")
    run_parser.add_argument("--pipeline", default=_SAMPLE_PIPELINE, metavar="NAME")
    run_parser.add_argument(
        "--land",
        type=_hours,
        metavar="N",
        help="hours of sample orders to land first: 1, and 0 for other pipelines",
    )
    commands.add_parser("up", help="start Airflow in the background")
    commands.add_parser("down", help="stop it")
    return parser


def _hours(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number from 0 on, got {text!r}")
    return int(text)


def _running(airflow: LocalAirflow) -> LocalAirflow | None:
    group = ProcessGroup.read(airflow.home)
    return replace(airflow, port=group.port) if group and group.is_running else None


def _land(console: Console, config: PipelineConfig, hours: int) -> None:
    for _ in range(hours):
        landed = land_next_hour(config.landing_location)
        console.print(
            f"landed {landed.rows:,} orders of {landed.hour:%Y-%m-%d %H:%M} UTC "
            f"in {len(landed.paths)} files",
            highlight=False,
        )


def _find_work(console: Console, config: PipelineConfig) -> bool:
    found = preflight(config, run_id="make-run")
    if not found.has_work:
        console.print(
            f"nothing new in {config.landing_location}: `make run` lands an hour of "
            "orders",
            highlight=False,
        )
    return found.has_work


def _unpause(console: Console, api: AirflowApi) -> None:
    """Unpause every Dag with a schedule, once Airflow has read them; show the wrong.

    Raises:
        FatalError: Airflow has not read them in time.
    """
    right, wrong = _load_pipelines()
    for text in wrong:
        console.print(text, style="yellow", markup=False)
    deadline = time.monotonic() + _DAGS_SECONDS
    while missing := {config.name for config in right} - api.dag_ids():
        if time.monotonic() > deadline:
            raise FatalError(
                Condition.AIRFLOW_FAILED,
                f"Airflow has not read the Dags {sorted(missing)} after "
                f"{_DAGS_SECONDS:.0f} s: {api.import_errors()}",
            )
        time.sleep(0.5)
    for config in right:
        if config.schedule is not None:
            api.set_paused(config.name, paused=False)


def _load_pipelines() -> tuple[list[PipelineConfig], list[str]]:
    right: list[PipelineConfig] = []
    wrong: list[str] = []
    for path in list_pipelines():
        try:
            right.append(load_pipeline(str(path)))
        except UsageError as error:
            wrong.append(error.message)
    return right, wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
