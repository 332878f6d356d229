"""Measure discovery: some new files among many known ones, in seconds and peak memory.

    python benchmarks/discovery.py --files 10000000

A real tree is listed and a real ledger compared. The tree's files are hard links to a
few empty files, so that it needs names, not inodes; that changes nothing for a listing,
which reads names. Each way is measured in a process of its own, imports not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil

from sluice.cli.output import print_line, print_rows
from sluice.discovery.listing import list_landed
from sluice.discovery.run import discover
from sluice.ledger.ledger import Ledger
from sluice.model import FileVersion
from sluice.options.incremental import IncrementalListing
from sluice.options.options import CloudFilesOptions

_FOLDERS = 100
_NEW = 1000
# A file system allows this many names for one file, and a few more.
_LINKS = 60_000
# Listing with the state of every file needs gigabytes beyond this.
_OLD_WAY_UP_TO = 2_000_000
_LOOK_SECONDS = 0.02
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
Way = Callable[[Ledger, CloudFilesOptions], int]


def main() -> None:
    """Build tree and ledger, measure each way, print a table."""
    given = _arguments()
    if given.way:
        sys.stdout.write(json.dumps(_measure(given.way, Path(given.root))))
        return
    with tempfile.TemporaryDirectory(dir=given.root) as root:
        began = time.perf_counter()
        _build(Path(root), given.files)
        seconds = time.perf_counter() - began
        print_line(f"{given.files:,} known files made in {seconds:.0f} s")
        rows = [_run(way, Path(root)) for way in _ways(given.files)]
    title = f"{_NEW:,} new files among {given.files:,} known, {os.cpu_count()} cores"
    print_rows(title, rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000, help="known files")
    parser.add_argument("--root", help="where the tree is made; a temporary folder")
    parser.add_argument("--way", choices=[*_WAYS], help=argparse.SUPPRESS)
    return parser.parse_args()


def _ways(files: int) -> Iterator[str]:
    for way in _WAYS:
        if way != "stat and sets" or files <= _OLD_WAY_UP_TO:
            yield way


def _options(root: Path) -> CloudFilesOptions:
    return CloudFilesOptions(path=str(root / "in"), schema_location=str(root / "s"))


def _build(root: Path, files: int) -> None:
    ledger = Ledger.open_or_create(str(root / "s"))
    for folder in range(_FOLDERS):
        path = root / "in" / f"day={folder:04}"
        path.mkdir(parents=True)
        names = [f"orders-{each:08}-7c2e.json" for each in range(files // _FOLDERS)]
        _link(path, names)
        landed = [FileVersion(f"{path}/{name}", 0, _MOMENT) for name in names]
        ledger.append_new(landed, run_id="build", compared=ledger.snapshot())


def _link(folder: Path, names: list[str]) -> None:
    source = ""
    for position, name in enumerate(names):
        path = f"{folder}/{name}"
        if position % _LINKS == 0:
            Path(path).touch()
            source = path
        else:
            os.link(source, path)


def _run(way: str, root: Path) -> dict[str, object]:
    if way == "incremental":
        # The full listing that comes first each day, and then what comes after it.
        _call(way, root)
        _land(root / "in" / "day=9999", way, _NEW)
    else:
        for folder in range(_FOLDERS):
            _land(root / "in" / f"day={folder:04}", way, _NEW // _FOLDERS)
    return _call(way, root)


def _land(folder: Path, way: str, files: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(files):
        (folder / f"orders-{number:08}-{way}.json").touch()


def _call(way: str, root: Path) -> dict[str, object]:
    command = [sys.executable, __file__, "--way", way, "--root", str(root)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, object] = json.loads(done.stdout)
    return measured


def _measure(way: str, root: Path) -> dict[str, object]:
    options = _options(root)
    ledger = Ledger.open_or_create(options.schema_location)
    began, used = time.perf_counter(), time.process_time()
    with _watched_memory() as peak:
        new = _WAYS[way](ledger, options)
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    return {
        "way": way,
        "new": new,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_mb": max(peak) >> 20,
    }


@contextmanager
def _watched_memory() -> Iterator[list[int]]:
    """Give a list that fills with the memory this process holds, in bytes."""
    found: list[int] = []
    done = threading.Event()
    me = psutil.Process()

    def watch() -> None:
        while not done.wait(_LOOK_SECONDS):
            found.append(me.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()


def _full(ledger: Ledger, options: CloudFilesOptions) -> int:
    return discover(ledger, options, run_id="bench").files


def _incremental(ledger: Ledger, options: CloudFilesOptions) -> int:
    growing = replace(options, incremental_listing=IncrementalListing.TRUE)
    return discover(ledger, growing, run_id="bench").files


def _stat_and_sets(ledger: Ledger, options: CloudFilesOptions) -> int:
    """List with the state of every file and compare paths: what is done elsewhere."""
    known = frozenset(file.path for file in ledger.files())
    fresh = [file for file in list_landed(options) if file.path not in known]
    return len(ledger.append_new(fresh, run_id="bench", compared=ledger.snapshot()))


_WAYS: dict[str, Way] = {
    "full": _full,
    "incremental": _incremental,
    "stat and sets": _stat_and_sets,
}

if __name__ == "__main__":
    main()
