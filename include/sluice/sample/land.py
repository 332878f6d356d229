"""Land sample orders hour by hour, as a shop system would drop its files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sluice import storage
from sluice.paths import is_local, join
from sluice.sample.orders import FIRST_HOUR, HOUR, generate_hour, render

_NAME = re.compile(r"orders_stream_(\d{10})_\d+\.json")


@dataclass(frozen=True)
class LandedHour:
    """What one call has landed; ``rows`` counts duplicates as well."""

    hour: datetime
    paths: tuple[str, ...]
    rows: int


def land_next_hour(
    landing: str, *, files: int = 12, rows: int = 100, seed: int = 1
) -> LandedHour:
    """Write the hour after the newest one in ``landing``: ``files`` of ``rows`` orders.

    Which hour comes next is read from the file names, so no other state can drift from
    what has landed. All files are written under hidden names before the first one is
    renamed: a listing sees no part of a file, and a killed call hardly ever leaves part
    of an hour.
    """
    hour = next_hour(landing)
    contents = {
        f"orders_stream_{hour:%Y%m%d%H}_{index:05d}.json": render(orders)
        for index, orders in enumerate(
            generate_hour(hour, files=files, rows=rows, seed=seed)
        )
    }
    if is_local(landing):
        _write_files(Path(landing), contents)
    else:
        for name, content in contents.items():
            storage.put(landing, name, content)
    paths = tuple(join(landing, name) for name in contents)
    return LandedHour(hour, paths, files * rows)


def next_hour(landing: str) -> datetime:
    """Return the hour after the newest one in ``landing``, else the very first."""
    matches = filter(None, map(_NAME.fullmatch, _names(landing)))
    newest = max((match[1] for match in matches), default=None)
    if newest is None:
        return FIRST_HOUR
    return datetime.strptime(newest, "%Y%m%d%H").replace(tzinfo=UTC) + HOUR


def _names(landing: str) -> list[str]:
    if not is_local(landing):
        return storage.list_keys(landing)
    folder = Path(landing)
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []


def _write_files(folder: Path, contents: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        _draft(folder, name).write_bytes(content)
    for name in contents:
        _draft(folder, name).replace(folder / name)


def _draft(folder: Path, name: str) -> Path:
    return folder / f".{name}.draft"
