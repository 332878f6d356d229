"""What earlier audits counted of landed files: one that is as it was is not read again.

Else each hour's audit would read all that ever landed. Only the audit's own counts are
kept; nothing of the source, the ledger or the tables is in them.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

import pyarrow as pa
from deltalake.exceptions import DeltaError

from sluice.config import PipelineConfig
from sluice.delta.log import open_table
from sluice.delta.tables import equal, read_table
from sluice.history.tables import append_rows
from sluice.paths import is_utf8
from sluice.rules.facts import LandedFile

_LOG = logging.getLogger(__name__)

TABLE = "counted_files"
# What counts otherwise than an earlier release did has a higher number: then all files
# are counted again.
_COUNTING = 1
_SCHEMA = pa.schema(
    [
        pa.field("pipeline", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("modified", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("records", pa.int64(), nullable=False),
        pa.field("counted_by", pa.string(), nullable=False),
        pa.field("counted_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
_COLUMNS = ["path", "size", "modified", "records"]

Known = Mapping[tuple[str, int, datetime], int]
"""Records by path, size in bytes and time of the last change."""


def read_counted(config: PipelineConfig) -> Known:
    """Return what was counted with the options of today; the last count stands."""
    location = config.ops_location(TABLE)
    with _damage_noted(location):
        if (table := open_table(location)) is not None:
            mine = equal(pipeline=config.name, counted_by=_counted_by(config))
            rows = read_table(
                table, columns=_COLUMNS, where=mine, order_by="counted_at"
            )
            *states, records = rows.to_pydict().values()
            return dict(zip(zip(*states, strict=True), records, strict=True))
    return {}


def keep_counted(
    config: PipelineConfig, landing: Mapping[str, LandedFile], known: Known
) -> None:
    """Keep the counts of ``landing`` that are not ``known``."""
    now = datetime.now(UTC)
    own = {"pipeline": config.name, "counted_by": _counted_by(config)}
    new = [
        own
        | {"path": each.path, "size": each.size, "modified": each.modified}
        | {"records": each.records, "counted_at": now}
        for each in landing.values()
        if each.records is not None
        and is_utf8(each.path)  # else no table can hold it
        and known.get((each.path, each.size, each.modified)) != each.records
    ]
    location = config.ops_location(TABLE)
    with _damage_noted(location):
        if new:
            append_rows(location, _SCHEMA, new)


@contextmanager
def _damage_noted(location: str) -> Iterator[None]:
    """Go on without the table where it is damaged: all that it saves is time."""
    try:
        yield
    except (DeltaError, pa.ArrowException, OSError) as error:
        _LOG.warning(
            "table %r is damaged, so all landed files are counted again; delete it: %s",
            location,
            error,
        )


def _counted_by(config: PipelineConfig) -> str:
    source = config.bronze.source
    text = json.dumps([_COUNTING, source.format, sorted(source.options.items())])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
