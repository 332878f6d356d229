"""Measure an hour's bronze on one process, on a cluster, and through Spark Connect.

    python benchmarks/places.py [--rounds 3] [--files 100] [--rows 50] [--json]

The same program everywhere: a session, ``format("cloudFiles")`` to a new Delta table,
until nothing is left. Each run is a process of its own; the places take turns, so that
a busy minute of this machine hits all of them. Cluster and Connect server run already,
as they do where they are used. Processor time is that of all processes a run used.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from sluice.cli.output import print_json, print_line, print_rows
from sluice.control.processes import Mark, end_marked, stop_group
from sluice.local.cluster import start_cluster
from sluice.sample import land_next_hour
from sluice.spark.session import properties_file, spark_session, submit_environment

_CONNECT_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"
_START_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run goes; ``serving`` are the processes that were there before it."""

    name: str
    url: str
    serving: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run: seconds until its session was there, of its stream, and of all."""

    place: str
    session: float
    stream: float
    whole: float
    processor: float


def main() -> int:
    """Measure each place in turn and print a table."""
    given = _arguments()
    if given.url:
        _run_once(given.url, Path(given.folder), given.serving)
        return 0
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, _places(Path(folder)) as places:
        runs = [
            _measure(place, Path(folder, f"{number}-{place.name}"), number, given)
            for number in range(given.rounds)
            for place in places
        ]
    if given.json:
        print_json([asdict(run) for run in runs])
        return 0
    load = f"load {before:.1f} before and {os.getloadavg()[0]:.1f} after"
    print_rows(
        f"{given.files} files of {given.rows} orders, {given.rounds} rounds, "
        f"{os.cpu_count()} cores, {load}; seconds, median (least to most)",
        _summary(runs),
    )
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="runs in each place")
    parser.add_argument("--files", type=int, default=100, help="files of the hour")
    parser.add_argument("--rows", type=int, default=50, help="orders in each file")
    parser.add_argument("--json", action="store_true", help="every run, as JSON")
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--serving", nargs="*", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


@contextmanager
def _places(folder: Path) -> Iterator[list[Place]]:
    """Start cluster and Connect server while the block runs."""
    port = _free_port()
    try:
        cluster = start_cluster(folder / "cluster", port=port)
        os.environ.update(cluster.variables)
        with _connect_server(port + 2, folder / "connect.log") as server:
            yield [
                Place(name="one process", url="local[*]"),
                Place(
                    name="cluster of two workers",
                    url=cluster.master,
                    serving=tuple(cluster.processes.pids.values()),
                ),
                Place(
                    name="Spark Connect",
                    url=f"sc://127.0.0.1:{port + 2}",
                    serving=(server,),
                ),
            ]
    finally:
        stop_group(folder / "cluster")


@contextmanager
def _connect_server(port: int, log: Path) -> Iterator[int]:
    """Run Spark's own Connect server with this installation's settings."""
    mark = Mark.new("SLUICE_CONNECT")
    environment = {**os.environ, **submit_environment(), **mark.as_environment()}
    command = [
        f"{environment['SPARK_HOME']}/bin/spark-submit",
        *("--master", "local[*]", "--properties-file", str(properties_file())),
        *("--conf", f"spark.connect.grpc.binding.port={port}"),
        *("--conf", "spark.connect.grpc.binding.address=127.0.0.1"),
        *("--class", _CONNECT_CLASS, "spark-internal"),
    ]
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output
        )
    try:
        _await_port(server, port, log)
        yield server.pid
    finally:
        end_marked(mark, grace_seconds=5)
        server.wait()


def _await_port(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _is_listening(port):
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"the Connect server did not start:\n{log.read_text()}")
        time.sleep(0.2)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _measure(place: Place, folder: Path, number: int, given: argparse.Namespace) -> Run:
    """Run in a process of its own and count what it wrote."""
    land_next_hour(str(folder / "landing"), files=given.files, rows=given.rows)
    command = [sys.executable, __file__, "--url", place.url, "--folder", str(folder)]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, "--serving", *map(str, place.serving)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    whole = time.perf_counter() - began
    rows = DeltaTable(str(folder / "table")).count()
    if rows != given.files * given.rows:
        sys.exit(f"{place.name}: {rows} rows instead of {given.files * given.rows}")
    seconds = json.loads(done.stdout.splitlines()[-1])
    # A server's first run loads its classes; every later one finds them.
    is_first = place.url.startswith("sc:") and number == 0
    name = f"{place.name}, the server's first run" if is_first else place.name
    run = Run(place=name, whole=whole, **seconds)
    print_line(f"{number + 1}: {run.place}: {run.whole:.1f} s")
    return run


def _run_once(url: str, folder: Path, serving: Sequence[int]) -> None:
    """Run the stream to its end and print the seconds on the last line."""
    began, used = time.perf_counter(), _processor_seconds(serving)
    spark = _session(url)
    session = time.perf_counter() - began
    _stream(spark, folder)
    stream = time.perf_counter() - began - session
    processor = _processor_seconds([*serving, os.getpid()]) - used
    spark.stop()
    seconds = {"session": session, "stream": stream, "processor": processor}
    sys.stdout.write(f"{json.dumps(seconds)}\n")


def _session(url: str) -> SparkSession:
    if url.startswith("sc:"):
        return SparkSession.builder.remote(url).getOrCreate()
    return spark_session("places", **{"spark.master": url})


def _stream(spark: SparkSession, folder: Path) -> None:
    stream = (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "json")
        .option("cloudFiles.inferColumnTypes", "true")
        .option("cloudFiles.schemaLocation", f"{folder}/state")
        .load(f"{folder}/landing")
    )
    query = (
        stream.writeStream.format("delta")
        .option("checkpointLocation", f"{folder}/state")
        .trigger(availableNow=True)
        .start(f"{folder}/table")
    )
    query.awaitTermination()


def _processor_seconds(roots: Sequence[int]) -> float:
    """Return the processor time so far of processes and of all that they started."""
    processes = [psutil.Process(pid) for pid in roots]
    processes += [
        child for each in processes for child in each.children(recursive=True)
    ]
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _summary(runs: Sequence[Run]) -> list[dict[str, object]]:
    return [
        {
            "place": place,
            "session": _spread([run.session for run in runs if run.place == place]),
            "stream": _spread([run.stream for run in runs if run.place == place]),
            "whole run": _spread([run.whole for run in runs if run.place == place]),
            "processor": _spread([run.processor for run in runs if run.place == place]),
        }
        for place in dict.fromkeys(run.place for run in runs)
    ]


def _spread(seconds: Sequence[float]) -> str:
    middle = f"{statistics.median(seconds):.1f}"
    if len(seconds) == 1:
        return middle
    return f"{middle} ({min(seconds):.1f} to {max(seconds):.1f})"


def _free_port() -> int:
    """Return a port that is free, as are the two after it as far as can be seen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
