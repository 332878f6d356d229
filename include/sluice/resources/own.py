"""Which files in a table's or a checkpoint's folder its writers did not make."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from deltalake.exceptions import DeltaError

from sluice.delta.log import open_table
from sluice.resources.folders import list_files

CHECKPOINT = frozenset({"metadata", "offsets", "commits", "sources", "state"})
"""What Spark has in a checkpoint, right below its folder."""
_LOG, _CHANGES = "_delta_log/", "_change_data/"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_DATA = re.compile(
    rf"(?:part|cdc)-\d+-{_UUID}[.-]c\d+(?:\.\w+)*\.parquet|deletion_vector_{_UUID}\.bin"
)
# What a writer that was killed had not renamed yet: Spark's way, and delta-rs'.
_DRAFT = re.compile(rf"^(?:\.(.+)\.{_UUID}\.tmp|(.+)#\d+)$")
# Clocks of a store and of a driver may differ.
_SLACK = timedelta(minutes=10)


def foreign_files(location: str, *, is_checkpoint: bool) -> Iterator[str]:
    """Yield the paths below ``location`` of files that others put there.

    A table's own files are named as Delta names them, and are in its newest version or
    not older than the table. A checkpoint's own are those that Spark has there.
    """
    is_own = _is_of_checkpoint if is_checkpoint else _of_table(location)
    for path, modified in list_files(location):
        folder, slash, name = path.rpartition("/")
        if not is_own(folder + slash + _written_for(name), modified):
            yield path


def _written_for(name: str) -> str:
    """Return the name of the file that a checksum or a draft of it lies beside."""
    if name.startswith(".") and name.endswith(".crc"):
        name = name[1:-4]
    return _DRAFT.sub(r"\1\2", name)


def _is_of_checkpoint(path: str, _: datetime) -> bool:
    return path.partition("/")[0] in CHECKPOINT


def _of_table(location: str) -> Callable[[str, datetime], bool]:
    try:
        table = open_table(location)
    except DeltaError:
        table = None  # damaged: names have to do
    created = table.metadata().created_time if table else None
    begun = datetime.fromtimestamp((created or 0) / 1000, UTC) - _SLACK
    current = set(table.get_add_actions()["path"].to_pylist()) if table else set()

    def is_own(path: str, modified: datetime) -> bool:
        if path.startswith((_LOG, _CHANGES)) or path in current:
            return True
        named = _DATA.fullmatch(path.rpartition("/")[2]) is not None
        return named and (created is None or modified >= begun)

    return is_own
