"""Append files to the ledger as they arrive, so that runs need not list the folder.

The events of the operating system are a hint, never the truth: a file is compared and
appended as after a listing, and a full listing every ``backfillInterval`` counts what
the watcher missed.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from threading import Event
from time import monotonic

from watchfiles import Change, watch

from sluice.config import PipelineConfig
from sluice.discovery.compare import load_known
from sluice.discovery.edge import is_inside
from sluice.discovery.listing import (
    is_hidden,
    list_pages,
    look_at,
    selection_of,
    wanted_names,
)
from sluice.discovery.moved import require_same_path
from sluice.discovery.progress import selection_id
from sluice.discovery.run import Discovery, discover, find_among, record_found
from sluice.discovery.walk import leads_back_to
from sluice.discovery.watcher import LIFETIME, Heartbeat, beat, read_heartbeat
from sluice.errors import Condition, FatalError, RetryableError, UsageError
from sluice.ledger.known import Known
from sluice.ledger.ledger import Ledger
from sluice.options.configured import source_options
from sluice.options.incremental import Listing, is_below
from sluice.options.options import CloudFilesOptions
from sluice.paths import is_local, join

_LOG = logging.getLogger("sluice")
_TICK_MS = 500
# A file is taken once nothing has happened to it for so long: it may be being written.
SETTLED = timedelta(seconds=2)
_NEVER = datetime.min.replace(tzinfo=UTC)
Changes = set[tuple[Change, str]]


def watch_pipeline(
    config: PipelineConfig,
    *,
    run_id: str,
    stop: Event,
    report: Callable[[Discovery], None],
) -> None:
    """Append what lands until ``stop`` is set, and say so beside the ledger meanwhile.

    All that is there already is appended first. ``report`` is called with each append.

    Raises:
        UsageError: the landing folder is no folder on a disk.
        RetryableError: another watcher is alive.
        FatalError: the system will not watch so many folders, the ledger changed, or
            it knows the folder under another path.
    """
    options = source_options(config)
    roots = _require_folders(options)
    ledger = Ledger.open_or_create(config.schema_location)
    require_same_path(options, ledger)
    sign = _Sign(ledger, selection_id(options))
    sign.require_free()
    changes = _watch(roots, stop)
    # The first answer comes once all folders are watched: what lands from now on is
    # seen, and what landed before is listed.
    first = next(changes)
    sign.renew()
    try:
        report(discover(ledger, options, run_id=run_id, listing=Listing.FULL))
        arrivals = Arrivals(options)
        intake = _Intake(ledger, options, run_id)
        arrivals.note(first)
        for seen in changes:
            arrivals.note(seen)
            _require_folders(options)
            done = intake.take(arrivals)
            if done.files:
                report(done)
            sign.renew()
    finally:
        sign.withdraw()


@dataclass
class Arrivals:
    """The files that something happened to, each until it is settled and taken."""

    options: CloudFilesOptions
    _touched: dict[str, float] = field(default_factory=dict)

    def note(self, changes: Changes) -> None:
        """Remember the files of ``changes``; of a new folder, all that it holds.

        The folder's own files may have come before it was watched.
        """
        for change, path in changes:
            if change is Change.deleted:
                self._touched.pop(path, None)
            elif Path(path).is_dir():
                self._touched.update(dict.fromkeys(_files_in(path), monotonic()))
            else:
                self._touched[path] = monotonic()

    def settled(self, wait: timedelta) -> list[str]:
        """Return the files that nothing has happened to for ``wait``."""
        latest = monotonic() - wait.total_seconds()
        return [path for path, at in self._touched.items() if at <= latest]

    def forget(self, paths: list[str]) -> None:
        """Drop files that are in the ledger, gone, or no concern of the source."""
        for path in paths:
            self._touched.pop(path, None)


@dataclass
class _Intake:
    """The way of settled files into the ledger, and what is known of it."""

    ledger: Ledger
    options: CloudFilesOptions
    run_id: str
    known: Known = field(init=False)

    def __post_init__(self) -> None:
        self.known = load_known(self.ledger.snapshot(), self.options)

    def take(self, arrivals: Arrivals) -> Discovery:
        """Append the settled files that are new; those too young stay for later."""
        settled = arrivals.settled(SETTLED)
        snapshot = self.ledger.snapshot()
        self.known.catch_up(snapshot)
        files = [each for each in map(look_at, self._wanted(settled)) if each]
        new = [files[position] for position in self.known.new_files(files)]
        found = find_among(self.options, new, snapshot=snapshot)
        found = replace(found, listing=Listing.NONE)
        done = record_found(self.ledger, self.options, found, run_id=self.run_id)
        waiting = {file.path for file in found.files.waiting}
        arrivals.forget([path for path in settled if path not in waiting])
        return done

    def _wanted(self, paths: list[str]) -> Iterator[str]:
        wanted = wanted_names(self.options)
        roots = selection_of(self.options).roots
        follows = self.options.follow_links
        inside = {root: is_inside(root, follows=follows) for root in roots}
        for path in paths:
            root = next((each for each in roots if is_below(path, each)), None)
            if root is None or is_hidden(path.removeprefix(root).lstrip("/")):
                continue
            *folders, _ = way = _way(root, path)
            if (
                wanted(path)
                and all(map(inside[root], way))
                and not any(map(leads_back_to, folders))
            ):
                yield path


@dataclass
class _Sign:
    """This process's sign of life beside the ledger."""

    ledger: Ledger
    selection: str
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    holder: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    written: datetime = _NEVER

    def require_free(self) -> None:
        """Refuse to watch beside another watcher."""
        root, ledger_id = self.ledger.root, self.ledger.ledger_id
        other = read_heartbeat(root, ledger_id, self.selection, self.since)
        if other is not None:
            raise RetryableError(
                Condition.LEASE_HELD,
                f"watcher {other.holder!r} watches this landing folder since "
                f"{other.since:%Y-%m-%d %H:%M} UTC: leave it to its work, or stop it; "
                f"if it was killed, its sign of life ends at {other.expires:%H:%M:%S} "
                "UTC: start again then",
                {"holder": other.holder},
            )

    def renew(self) -> None:
        """Say that this watcher is alive, a few times in each lifetime of the sign."""
        expires = datetime.now(UTC) + LIFETIME
        if expires - self.written >= LIFETIME / 6:
            self._write(expires)
            self.written = expires

    def withdraw(self) -> None:
        """Let runs list the folder again from now on."""
        self._write(datetime.now(UTC))

    def _write(self, expires: datetime) -> None:
        sign = Heartbeat(
            ledger=self.ledger.ledger_id,
            selection=self.selection,
            holder=self.holder,
            since=self.since,
            expires=expires,
        )
        beat(self.ledger.root, sign)


def _way(root: str, path: str) -> list[str]:
    """Return the folders between ``root`` and ``path``, and ``path``: links or not."""
    below = path.removeprefix(root).strip("/").split("/")
    ends = accumulate(below, join, initial=root)
    return [path] if path == root else list(ends)[1:]


def _watch(roots: list[str], stop: Event) -> Iterator[Changes]:
    """Yield what happens below ``roots``, an empty set where nothing does."""
    try:
        yield from watch(
            *roots,
            watch_filter=None,
            debounce=_TICK_MS,
            rust_timeout=_TICK_MS,
            yield_on_timeout=True,
            stop_event=stop,
            raise_interrupt=False,
        )
    except OSError as error:
        raise FatalError(
            Condition.WATCH_FAILED,
            f"landing folder {roots} cannot be watched: {error}; raise the system's "
            "limit (sysctl fs.inotify.max_user_watches), or run without a watcher",
            {"roots": roots},
        ) from error


def _require_folders(options: CloudFilesOptions) -> list[str]:
    roots = selection_of(options).roots
    if not all(map(is_local, roots)):
        raise UsageError(
            Condition.USAGE,
            f"landing folder {options.path!r} is on object storage, which reports no "
            "new files; leave it to the listing of each run",
            {"path": options.path},
        )
    there = [root for root in roots if Path(root).is_dir()]
    if not there:
        raise UsageError(
            Condition.PATH_NOT_FOUND,
            f"landing folder {options.path!r} does not exist; create it, or correct "
            "the path of the source",
            {"path": options.path},
        )
    return there


def _files_in(folder: str) -> Iterator[str]:
    options = CloudFilesOptions(path=folder, schema_location="")
    try:
        for page in list_pages(options):
            yield from map(page.path, range(len(page.names)))
    except UsageError:
        return  # gone again
