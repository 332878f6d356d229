"""Measure what Spark's own file source does on the faults of the fault matrix.

    python benchmarks/file_source_faults.py [--only NAME ...] [--json]

Each fault is a small real run: JSON files through ``readStream.format("json")`` into a
Delta table, one file a micro-batch, trigger availableNow, local[2]. Rows are counted
by file in the landing folder and in the table. Drivers are killed where Linux's seccomp
holds their writes; see ``tests/support/held_writes.py``.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from sluice.cli.output import print_json, print_line, print_rows
from sluice.delta.log import open_table
from sluice.delta.tables import query_table
from sluice.spark.session import spark_session

_ROWS = 5
_SCHEMA = "id string"
_CONDITION = re.compile(r"\[([A-Z_]+(?:\.[A-Z_]+)*)\]")
_EXCEPTION = re.compile(r"\b\w+Exception\b")
_WRAPPERS = {"STREAM_FAILED", "StreamingQueryException"}
_TESTS = str(Path(__file__).parents[1] / "tests")


@dataclass(frozen=True)
class Measured:
    """What a fault led to: rows by file, and the error of each run, if it had one."""

    fault: str
    case: str
    landed: int
    in_table: int
    lost: int
    twice: int
    errors: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """What happened, in a few words."""
        harm = [
            f"{count} of {self.landed} rows {what}"
            for count, what in ((self.lost, "lost"), (self.twice, "twice"))
            if count
        ]
        named = f"; {', '.join(self.errors)}" if self.errors else ", in silence"
        return (" and ".join(harm) or "rows once") + (
            named if harm or self.errors else ""
        )


@dataclass
class Stream:
    """A stream of Spark's file source in a folder of its own."""

    spark: SparkSession
    folder: Path
    landed: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    limit: int = 1

    @property
    def landing(self) -> Path:
        """Where files land."""
        return self.folder / "landing"

    @property
    def checkpoint(self) -> Path:
        """The checkpoint, which holds the source's log of files as well."""
        return self.folder / "checkpoint"

    @property
    def table(self) -> Path:
        """The table."""
        return self.folder / "table"

    def land(self, count: int = 1, *, rows: int = _ROWS) -> list[Path]:
        """Land some files more, each newer than those before."""
        self.landing.mkdir(parents=True, exist_ok=True)
        paths = []
        for _ in range(count):
            name = f"{len(self.landed):03d}.json"
            write_rows(self.landing / name, name, rows)
            self.landed[name] = rows
            paths.append(self.landing / name)
            time.sleep(0.02)
        return paths

    def read(self) -> DataFrame:
        """Return what lands, with the name of the file."""
        reader = self.spark.readStream.format("json").schema(_SCHEMA)
        read = reader.option("maxFilesPerTrigger", self.limit).load(str(self.landing))
        return read.selectExpr("id", "_metadata.file_name as file")

    def run(self, read: DataFrame | None = None) -> None:
        """Run to the end of what is there, and keep the error if it has one."""
        # A new driver knows nothing of the table that another has replaced.
        self.spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # noqa: SLF001
        error = attempt(lambda: self.start(read).awaitTermination())
        self.errors += [error] if error else []

    def start(self, read: DataFrame | None = None, **trigger: object):  # noqa: ANN201
        """Start the query."""
        frame = self.read() if read is None else read
        writer = frame.writeStream.format("delta")
        writer = writer.option("checkpointLocation", str(self.checkpoint))
        writer = writer.trigger(**(trigger or {"availableNow": True}))  # type: ignore[arg-type]
        return writer.start(str(self.table))

    def keep(self, name: str, *parts: str) -> Path:
        """Copy some of the folder away, as a backup would."""
        kept = self.folder / name
        for part in parts:
            if (self.folder / part).exists():
                shutil.copytree(self.folder / part, kept / part)
        return kept

    def put_back(self, kept: Path, *parts: str) -> None:
        """Put a backup back in the place of what is there."""
        for part in parts:
            shutil.rmtree(self.folder / part, ignore_errors=True)
            if (kept / part).exists():
                shutil.copytree(kept / part, self.folder / part)

    def lose(self, *patterns: str) -> None:
        """Lose files or folders of the checkpoint or the table."""
        for pattern in patterns:
            for path in sorted(self.folder.glob(pattern)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                checksum = path.with_name(f".{path.name}.crc")
                checksum.unlink(missing_ok=True)

    def measure(self, fault: str, case: str = "") -> Measured:
        """Count rows by file."""
        table = open_table(str(self.table))
        found: Counter[str] = Counter()
        if table is not None:
            sql = "select file, count(*) as n from t group by file"
            rows = query_table(table, sql).to_pylist()
            found = Counter({row["file"]: row["n"] for row in rows})
        return Measured(
            fault=fault,
            case=case,
            landed=self.landed.total(),
            in_table=found.total(),
            lost=(self.landed - found).total(),
            twice=(found - self.landed).total(),
            errors=tuple(self.errors),
        )


def write_rows(path: Path, name: str, rows: int) -> None:
    """Write a file of so many rows, whole or not at all for a listing."""
    draft = path.with_name(f".{path.name}")
    lines = [json.dumps({"id": f"{name}-{number}"}) for number in range(rows)]
    draft.write_text("".join(f"{line}\n" for line in lines))
    draft.replace(path)


def attempt(act: Callable[[], object]) -> str | None:
    """Return the error that a run ends with, in short; None where it ends well."""
    try:
        act()
    except PySparkException as error:
        text = str(error)
        cause = text.partition("terminated with exception: ")[2] or text
        named = [*_CONDITION.findall(text), *_EXCEPTION.findall(text)]
        named = [each for each in dict.fromkeys(named) if each not in _WRAPPERS]
        return f"{', '.join(named) or 'error'} ({cause.splitlines()[0][:120]})"
    return None


Fault = Callable[[SparkSession, Path], Iterator[Measured]]
FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    """Enter a fault under its name in the matrix."""

    def enter(measured: Fault) -> Fault:
        FAULTS[name] = measured
        return measured

    return enter


def begun(spark: SparkSession, folder: Path, files: int = 3) -> Stream:
    """Return a stream that has read some files."""
    stream = Stream(spark, folder)
    stream.land(files)
    stream.run()
    return stream


def set_back(spark: SparkSession, folder: Path, *parts: str) -> Stream:
    """Return a stream of which some parts are three batches older than the rest."""
    stream = begun(spark, folder)
    kept = stream.keep("backup", *parts)
    stream.land(3)
    stream.run()
    stream.put_back(kept, *parts)
    stream.land(2)
    return stream


@fault("checkpoint set back")
def checkpoint_set_back(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """The checkpoint of three batches ago, with its log of files; then new files."""
    stream = set_back(spark, folder / "whole", "checkpoint")
    stream.run()
    yield stream.measure("checkpoint set back", "three batches, with new files landed")
    stream = set_back(
        spark, folder / "logs", "checkpoint/offsets", "checkpoint/commits"
    )
    stream.run()
    yield stream.measure("checkpoint set back", "offset and commit log only")
    stream = set_back(spark, folder / "limit", "checkpoint")
    stream.limit = 10
    stream.run()
    yield stream.measure("checkpoint set back", "maxFilesPerTrigger is 10 now")
    # Other files than those of then come first: the batch ids mean other files now.
    stream = set_back(spark, folder / "gone", "checkpoint")
    for name in ("003.json", "004.json", "005.json"):
        (stream.landing / name).unlink()
    stream.run()
    yield stream.measure("checkpoint set back", "the files read since are archived")


@fault("checkpoint set back beside a living driver")
def set_back_beside_living(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """A standing query goes on while offset and commit log are set back under it."""
    stream = begun(spark, folder / "living")
    kept = stream.keep("backup", "checkpoint")
    query = stream.start(processingTime="0 seconds")
    stream.land(3)
    time.sleep(8)
    stream.put_back(kept, "checkpoint")
    stream.land(3)
    deadline = time.monotonic() + 20
    while query.isActive and time.monotonic() < deadline:
        time.sleep(0.5)
    error = attempt(lambda: query.awaitTermination(1))
    query.stop()
    stream.errors += [error] if error else []
    stream.run()
    yield stream.measure("checkpoint set back beside a living driver", "then run again")


@fault("files of the commit log lost")
def commit_log_lost(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """All commits, or the newest one."""
    for case, lost in {
        "all": "checkpoint/commits/*",
        "newest": "checkpoint/commits/2",
    }.items():
        stream = begun(spark, folder / case)
        stream.lose(lost)
        stream.land(2)
        stream.run()
        yield stream.measure("files of the commit log lost", case)


@fault("… and the table lost or older")
def commit_log_and_table_lost(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """The commit log is empty, and the table is gone, or is a copy of then."""
    stream = begun(spark, folder / "gone")
    stream.lose("checkpoint/commits/*", "table")
    stream.land(2)
    stream.run()
    yield stream.measure("… and the table lost or older", "table gone")
    stream = set_back(spark, folder / "older", "table")
    stream.lose("checkpoint/commits/*")
    stream.run()
    yield stream.measure("… and the table lost or older", "table older")


@fault("an offset file lost whose batch is committed")
def offset_file_lost(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """The newest, or one before."""
    for case, number in {"newest": 2, "one before": 1}.items():
        stream = begun(spark, folder / case)
        stream.lose(f"checkpoint/offsets/{number}")
        stream.land(2)
        stream.run()
        yield stream.measure("an offset file lost whose batch is committed", case)


@fault("checkpoint lost, with the ledger or without")
def checkpoint_lost(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """All of it, or all but the source's log of files."""
    name = "checkpoint lost, with the ledger or without"
    for case, lost in {
        "with the log of files": ["checkpoint"],
        "without": [
            f"checkpoint/{each}" for each in ("offsets", "commits", "metadata")
        ],
    }.items():
        stream = begun(spark, folder / case)
        stream.lose(*lost)
        stream.land(2)
        stream.run()
        yield stream.measure(name, case)


@fault("ledger lost, or replaced by a new one")
def files_log_lost(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """The source's own log of files is gone."""
    stream = begun(spark, folder / "lost")
    stream.lose("checkpoint/sources")
    stream.land(2)
    stream.run()
    stream.run()
    yield stream.measure("ledger lost, or replaced by a new one", "log of files lost")


@fault("ledger, or one table of it, from an older backup")
def files_log_older(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """The source's own log of files is that of three batches ago."""
    stream = set_back(spark, folder / "older", "checkpoint/sources")
    stream.run()
    stream.run()
    yield stream.measure("ledger, or one table of it, from an older backup")


@fault("checkpoint and ledger from an older backup, the table not")
def checkpoint_and_log_older(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """With Spark the log of files is part of the checkpoint."""
    stream = set_back(spark, folder / "older", "checkpoint")
    stream.run()
    yield stream.measure("checkpoint and ledger from an older backup, the table not")


@fault("table lost, or a copy of an older one put back")
def table_lost(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """The checkpoint goes on as if it were there."""
    name = "table lost, or a copy of an older one put back"
    stream = begun(spark, folder / "lost")
    stream.lose("table")
    stream.land(2)
    stream.run()
    yield stream.measure(name, "lost")
    stream = set_back(spark, folder / "older", "table")
    stream.run()
    yield stream.measure(name, "older")


@fault("RESTORE of the bronze table")
def table_restored(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """The table's rows are taken back by two versions, its transactions stay."""
    stream = begun(spark, folder / "restored")
    table = open_table(str(stream.table))
    if table is not None:
        table.restore(0)
    stream.land(2)
    stream.run()
    yield stream.measure("RESTORE of the bronze table")


MISHAPS = {
    "checkpoint set back": (("checkpoint",), ()),
    "commit log lost": ((), ("checkpoint/commits/*",)),
    "newest offset lost": ((), ("checkpoint/offsets/5",)),
    "log of files lost": ((), ("checkpoint/sources",)),
    "table older": (("table",), ()),
}


@fault("lake moved or copied")
def lake_moved(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """Another path for the same folders: the log of files knows the old ones."""
    stream = begun(spark, folder)
    other = folder.with_name("moved")
    folder.rename(other)
    moved = Stream(spark, other, landed=stream.landed)
    moved.land()
    moved.run()
    yield moved.measure("lake moved or copied")


@fault("any two of these together")
def two_mishaps(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """Every pair of five mishaps."""
    for number, pair in enumerate(combinations(MISHAPS, 2)):
        backed = [part for each in pair for part in MISHAPS[each][0]]
        stream = set_back(spark, folder / str(number), *backed)
        stream.lose(*(lost for each in pair for lost in MISHAPS[each][1]))
        stream.run()
        yield stream.measure("any two of these together", " + ".join(pair))


def slow(stream: Stream) -> DataFrame:
    """Read all files in one micro-batch, a second for each row."""
    reader = stream.spark.readStream.format("json").schema(_SCHEMA)
    read = reader.load(str(stream.landing)).coalesce(1)
    sleep = "java_method('java.lang.Thread', 'sleep', 500L)"
    return read.selectExpr("id", "_metadata.file_name as file", f"{sleep} as slept")


def while_reading(stream: Stream, act: Callable[[], object]) -> None:
    """Run one slow micro-batch and ``act`` once it has begun to read."""

    def wait_and_act() -> None:
        while not (stream.checkpoint / "offsets/0").exists():
            time.sleep(0.05)
        time.sleep(1.5)
        act()

    helper = threading.Thread(target=wait_and_act)
    helper.start()
    stream.run(slow(stream))
    helper.join()


@fault("file changes between discovery and reading")
def file_changes(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """The second file of a micro-batch is replaced while the first is being read."""
    name = "file changes between discovery and reading"
    for case, rows in {"longer": 9, "shorter": 2, "as long": _ROWS}.items():
        stream = Stream(spark, folder / case)
        first, second = stream.land(2)
        # Reading begins with the largest file.
        write_rows(first, first.name, 12)
        stream.landed[first.name] = 12
        while_reading(stream, partial(write_rows, second, f"new-{case}", rows))
        stream.landed[second.name] = rows
        stream.run()
        yield stream.measure(name, case)


@fault("file removed between discovery and reading")
def file_removed(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """The second file of a micro-batch is removed while the first is being read."""
    name = "file removed between discovery and reading"
    stream = Stream(spark, folder / "removed")
    first, second = stream.land(2)
    write_rows(first, first.name, 12)
    stream.landed[first.name] = 12
    while_reading(stream, second.unlink)
    yield stream.measure(name, "run")
    stream.run()
    yield stream.measure(name, "run again")


STEPS = {
    "log of files": "checkpoint/sources/0/1",
    "offset log": "checkpoint/offsets/1",
    "Delta commit": f"table/_delta_log/{1:020}.json",
    "commit log": "checkpoint/commits/1",
}


@fault("driver killed just before or after the Delta commit")
def killed_around_commit(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """SIGKILL before the Delta commit of a batch, and before its commit log."""
    name = "driver killed just before or after the Delta commit"
    for case, step in {"before": "Delta commit", "after": "commit log"}.items():
        yield killed_before(spark, folder / case, name, case, STEPS[step])


@fault("driver killed while it writes the offset log of a query's first micro-batch")
def killed_in_first_plan(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """SIGKILL when the file is written and has not got its name yet."""
    name = "driver killed while it writes the offset log of a query's first micro-batch"
    yield killed_before(spark, folder, name, "", "checkpoint/offsets/0")


@fault("driver killed before any step, another run beside it")
def killed_before_others(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """SIGKILL before the log of files and the offset log; then another driver."""
    name = "driver killed before any step, another run beside it"
    for step in ("log of files", "offset log"):
        yield killed_before(spark, folder / step, name, step, STEPS[step])
    stream = Stream(spark, folder / "beside")
    stream.land(3)
    with held(stream, STEPS["Delta commit"]) as let_go:
        stream.land(2)
        stream.run()
        let_go()
    stream.run()
    yield stream.measure(name, "stopped before its Delta commit, another run meanwhile")


@fault("two processes discover at once")
def two_at_once(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """One is stopped before its first log of files or offsets, the other runs."""
    for step in ("checkpoint/sources/0/0", "checkpoint/offsets/0"):
        stream = Stream(spark, folder / step.replace("/", "-"))
        stream.land(3)
        with held(stream, step) as let_go:
            stream.land(2)
            stream.run()
            let_go()
        stream.run()
        yield stream.measure("two processes discover at once", f"stopped before {step}")


@fault("the checkpoint's storage lets both write a log file")
def both_write(spark: SparkSession, folder: Path) -> Iterator[Measured]:
    """As on storage without put-if-absent: what one wrote does not stop the other."""
    name = "the checkpoint's storage lets both write a log file"
    for step in ("log of files", "offset log"):
        stream = Stream(spark, folder / step)
        stream.land(3)
        with held(stream, STEPS[step]) as let_go:
            # The other finds an older file meanwhile, and takes more at a time.
            stream.limit = 10
            stream.land(2)
            stream.run()
            later = "[1-9]*"
            stream.lose(
                *(f"checkpoint/{log}/{later}" for log in ("offsets", "commits"))
            )
            if step == "log of files":
                stream.lose(f"checkpoint/sources/0/{later}")
            let_go()
        stream.limit = 1
        stream.run()
        yield stream.measure(name, f"stopped before its {step}")


def killed_before(
    spark: SparkSession, folder: Path, name: str, case: str, step: str
) -> Measured:
    """Kill a driver before it writes ``step``, land files, and run again."""
    stream = Stream(spark, folder)
    stream.land(3)
    with held(stream, step):
        pass
    stream.land(2)
    stream.run()
    return stream.measure(name, case)


@contextmanager
def held(stream: Stream, step: str) -> Iterator[Callable[[], None]]:
    """Run a driver up to ``step`` and hold it there; yields what lets it go on.

    It is killed in the end, unless it was let go.
    """
    sys.path.insert(0, _TESTS)
    from support.held_writes import HeldRun  # noqa: PLC0415 - beside the tests, not installed

    command = [sys.executable, __file__, "--driver", str(stream.folder)]
    with HeldRun.start(command, stream.folder) as run:
        target = stream.folder / step
        write = next(each for each in run.writes() if each.path == target)

        def let_go() -> None:
            run.let_go(write)
            for _ in run.writes():
                pass
            code = run.process.wait()
            stream.errors += [DRIVER_ERRORS.get(code, f"exit {code}")] if code else []

        yield let_go


DRIVER_ERRORS = {1: "the first driver fails"}


def run_driver(folder: Path) -> int:
    """Run a stream in this process; 1 if it fails."""
    stream = Stream(session(), folder)
    stream.run()
    for error in stream.errors:
        sys.stderr.write(f"driver: {error}\n")
    return 1 if stream.errors else 0


def session() -> SparkSession:
    """Return the session of a driver."""
    return spark_session("file-source", **{"spark.master": "local[2]"})


def main() -> int:
    """Measure the faults that are asked for and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="part of a fault's name")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--driver", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.driver:
        return run_driver(asked.driver)
    chosen = [each for each in FAULTS if is_chosen(each, asked.only)]
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder:
        spark = session()
        for number, name in enumerate(chosen):
            print_line(f"{number + 1}/{len(chosen)}: {name}")
            measured += FAULTS[name](spark, Path(folder, str(number)))
    rows = [
        {"fault": each.fault, "case": each.case, "what happened": each.verdict}
        for each in measured
    ]
    if asked.json:
        print_json(measured)
    else:
        print_rows("Spark's file source", rows)
    return 0


def is_chosen(name: str, parts: list[str] | None) -> bool:
    """Return True if a fault was asked for."""
    return not parts or any(part in name for part in parts)


if __name__ == "__main__":
    sys.exit(main())
