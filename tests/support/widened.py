"""Commit to a table of delta-rs what Spark commits where columns get wider types."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from deltalake import DeltaTable

from sluice import storage
from sluice.delta.widening import WIDENING
from support.killing import read


def commit_widening(
    location: str,
    types: Mapping[str, str],
    *,
    features: Sequence[str] = ("typeWidening",),
) -> None:
    """Give a table of one commit the property, and ``types`` to old and new columns."""
    table = DeltaTable(location)
    fields = json.loads(table.schema().to_json())
    known = {field["name"]: field for field in fields["fields"]}
    for name, kind in types.items():
        field = known.setdefault(name, {"name": name, "nullable": True, "metadata": {}})
        field["type"] = kind
    fields["fields"] = list(known.values())
    log = f"{location}/_delta_log"
    first = map(json.loads, read(f"{log}/{0:020}.json").splitlines())
    metadata = next(action for action in first if "metaData" in action)
    metadata["metaData"]["schemaString"] = json.dumps(fields)
    metadata["metaData"]["configuration"] = {WIDENING: "true"}
    names = {"readerFeatures": [*features], "writerFeatures": [*features]}
    protocol = {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7} | names}
    text = "\n".join(map(json.dumps, (protocol, metadata)))
    storage.put(log, f"{table.version() + 1:020}.json", text.encode())
