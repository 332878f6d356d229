"""Write what Spark 4.2 writes: the few files with which a checkpoint begins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from uuid import uuid4

from sluice import storage
from sluice.checkpoint.parse import ADOPTS

FIRST_BATCH = 0


def give_query_id(location: str) -> bool:
    """Write ``metadata`` with a new query id unless it is there; return if this did.

    Spark takes the id that it finds. Of two very first drivers both then have one id,
    even on storage where Spark itself would let the second overwrite the first one's.
    """
    return storage.put_if_absent(location, "metadata", _metadata(str(uuid4())))


def clear_unplanned(location: str) -> None:
    """Remove what a driver left that was cut off while it planned the first batch.

    Spark writes a file of its logs under another name first. Before the first batch it
    starts only where both logs are empty, such a leftover counts as well, and it stays
    without end. The caller holds the lease: a driver that lost it and wakes up
    finds its file gone, and fails.
    """
    left = [
        key
        for log in ("offsets", "commits")
        for key in storage.list_keys(location, log)
    ]
    if all(_is_unfinished(key) for key in left):
        for key in left:
            storage.delete(location, key)


def _is_unfinished(key: str) -> bool:
    name = key.rpartition("/")[2]
    return name.startswith(".") and name.endswith((".tmp", ".crc"))


def write_query_id(location: str, query_id: str) -> None:
    """Write ``metadata``: the first run that finds it has this query id."""
    storage.put(location, "metadata", _metadata(query_id))


def write_adopting(
    location: str,
    query_id: str,
    offset: str,
    *,
    conf: Mapping[str, str],
    at: datetime,
) -> None:
    """Write a checkpoint whose first micro-batch is done and ends at ``offset``.

    It says of itself that it read nothing: the table held those rows before. ``conf``
    is what Spark pinned at the first start. Writing again gives the same files.
    """
    time_ms = int(at.timestamp() * 1000)
    metadata = {
        "batchWatermarkMs": 0,
        "batchTimestampMs": time_ms,
        "conf": {**conf, ADOPTS: "true"},
    }
    offsets = "\n".join(["v1", json.dumps(metadata), offset])
    commit = "\n".join(["v1", json.dumps({"nextBatchWatermarkMs": 0})])
    # The query id last: Spark does not start on logs without it.
    storage.put(location, f"offsets/{FIRST_BATCH}", offsets.encode("utf-8"))
    storage.put(location, f"commits/{FIRST_BATCH}", commit.encode("utf-8"))
    write_query_id(location, query_id)


def _metadata(query_id: str) -> bytes:
    return json.dumps({"id": query_id}, separators=(",", ":")).encode("utf-8")
