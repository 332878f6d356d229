"""A pipeline whose lake is a bucket, and what its tables must hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import obstore
from obstore.store import from_url

from support.lakes import ROWS, SCHEMA, SLUICE, Lake, Order, order

# Each name would be another one if anything encoded or decoded it, or took it for a
# pattern.
NAMES = ("{:03d} a%20b.json", "{:03d}[x]+#?.json", "{:03d}ü.json")


# Runs the pipeline for each line that it reads: the second time in a warm JVM.
RUNS = """
import sys
from contextlib import suppress
from sluice.cli import main
sys.argv = ["sluice", "run", sys.argv[1], "--json"]
for _ in sys.stdin:
    with suppress(SystemExit):
        main()
    print("done", flush=True)
"""


class BucketLake(Lake):
    """A pipeline in a bucket, whose file lies on the disk."""

    def __init__(
        self,
        folder: Path,
        bucket: str,
        *,
        schema: str | None = SCHEMA,
        **options: int | str,
    ) -> None:
        """Write the pipeline file."""
        lake = f"{bucket}/the lake"
        super().__init__(folder, lake=lake, schema=schema, **options)
        self._landed: dict[str, list[Order]] = {}

    def land(self, files: int, **new: str) -> None:
        """Land some files more, 7 orders over 14 minutes each, with ``new`` fields."""
        landing = self.config.landing_location
        for number in range(len(self._landed), len(self._landed) + files):
            name = NAMES[number % len(NAMES)].format(number)
            orders = [order(number, row) | new for row in range(ROWS)]
            self._put(f"{landing}/{name}", orders)

    def landed(self) -> list[tuple[str, Order]]:
        """Return each landed order with its object."""
        return [
            (path, each) for path, orders in self._landed.items() for each in orders
        ]

    def rewrite(self, number: int, rows: int) -> str:
        """Give a landed file its first ``rows`` orders only; return its path."""
        path = list(self._landed)[number]
        self._put(path, self._landed[path][:rows])
        return path

    def lose(self, location: str) -> None:
        """Delete all objects below a location."""
        store = from_url(location)
        obstore.delete(
            store, [each["path"] for page in obstore.list(store) for each in page]
        )

    def put(self, name: str, records: Sequence[Mapping[str, object]]) -> None:
        """Land one object of these records."""
        content = "\n".join(map(json.dumps, records)).encode()
        obstore.put(from_url(self.config.landing_location), name, content)

    def _put(self, path: str, orders: list[Order]) -> None:
        folder, _, name = path.rpartition("/")
        content = "\n".join(map(json.dumps, orders)).encode()
        obstore.put(from_url(folder), name, content)
        self._landed[path] = orders

    @contextmanager
    def runs(self) -> Iterator[Callable[[], Any]]:
        """Give what runs the pipeline and returns what that prints, in one process."""
        command = [sys.executable, "-c", RUNS, str(self.file)]
        environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"}
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, env=environment, stdin=pipe, stdout=pipe, text=True
        ) as process:
            assert process.stdin
            assert process.stdout
            say, lines = process.stdin, process.stdout

            def run() -> Any:
                say.write("go\n")
                say.flush()
                printed = []
                while (line := lines.readline()) != "done\n":
                    assert line, "the process of the runs has ended"
                    printed.append(line)
                return json.loads("".join(printed))

            try:
                yield run
            finally:
                process.stdin.close()
        assert process.returncode == 0

    def sluice(self, *arguments: str) -> Any:
        """Run a ``sluice`` command in a process of its own; return what it prints.

        The name of the command may be two words; options follow it.
        """
        done = self.attempt(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def attempt(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run a ``sluice`` command that may fail."""
        return subprocess.run(
            [*SLUICE, *command.split(), str(self.file), *options, "--json"],
            env=os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"},
            capture_output=True,
            check=False,
            text=True,
        )
