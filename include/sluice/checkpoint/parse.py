"""From the text of a checkpoint's log files to facts; every format Spark 4.2 writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.checkpoint.offsets import Offset, parse_offset

VOID = "-"
"""What Spark logs for a source that has no offset yet."""
ADOPTS = "sluice.adopts"
"""Pinned in the first micro-batch of a repaired checkpoint; Spark passes it over."""


@dataclass(frozen=True)
class OffsetEntry:
    """One file of the offset log: what Spark planned for a micro-batch.

    ``offsets`` holds the end offset of each source as the source's own JSON, None where
    the source had none yet. The start is the end of the batch before.
    """

    batch_id: int
    version: int
    watermark_ms: int
    timestamp_ms: int
    conf: Mapping[str, str]
    offsets: tuple[str | None, ...]

    @property
    def end(self) -> Offset:
        """The end offset of the first source; queries of Sluice have one."""
        return parse_offset(self.offsets[0])

    @property
    def adopts(self) -> bool:
        """Whether a repair wrote this batch: the table held its rows before."""
        return ADOPTS in self.conf


@dataclass(frozen=True)
class CommitEntry:
    """One file of the commit log: a micro-batch that Spark knows to be done."""

    batch_id: int
    version: int
    next_watermark_ms: int


def parse_metadata(text: str) -> str:
    """Return the query id of a checkpoint's ``metadata`` file.

    Raises:
        ValueError: the text is not what Spark writes.
    """
    return str(_require(_json_object(text), "id"))


def parse_offsets(
    batch_id: int, text: str, *, where: str = "the offset"
) -> OffsetEntry:
    """Parse a file of the offset log, v1 or v2.

    Raises:
        ValueError: the text is not what Spark writes, or ends too early.
        FatalError: a newer release wrote an offset; the message says ``where``.
    """
    version, lines = _split_version(text, known=(1, 2))
    if not lines[1:]:
        message = f"expected a line of metadata and one per source, got {lines}"
        raise ValueError(message)
    metadata = _json_object(lines[0])
    sources = lines[1:] if version == 1 else _by_source_id(lines[1:])
    return OffsetEntry(
        batch_id=batch_id,
        version=version,
        watermark_ms=int(_require(metadata, "batchWatermarkMs")),
        timestamp_ms=int(_require(metadata, "batchTimestampMs")),
        conf=metadata.get("conf") or {},
        offsets=tuple(_source_offset(line, where) for line in sources),
    )


def parse_commit_entry(batch_id: int, text: str) -> CommitEntry:
    """Parse a file of the commit log, v1 to v3; only the watermark is needed.

    Raises:
        ValueError: the text is not what Spark writes, or ends too early.
    """
    version, lines = _split_version(text, known=(1, 2, 3))
    metadata = _json_object("\n".join(lines))
    return CommitEntry(
        batch_id=batch_id,
        version=version,
        next_watermark_ms=int(metadata.get("nextBatchWatermarkMs", 0)),
    )


def _split_version(text: str, *, known: tuple[int, ...]) -> tuple[int, list[str]]:
    lines = text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        message = "the file is empty"
        raise ValueError(message)
    spellings = {f"v{number}": number for number in known}
    if lines[0] not in spellings:
        message = f"expected a first line of {sorted(spellings)}, got {lines[0]!r}"
        raise ValueError(message)
    return spellings[lines[0]], lines[1:]


def _by_source_id(lines: list[str]) -> list[str]:
    """Order the lines ``source id:offset`` by id; numbers are ordered as numbers."""
    pairs = [line.partition(":") for line in lines]
    unnamed = [name for name, colon, _ in pairs if not colon]
    if unnamed:
        message = f"expected 'source id:offset', got {unnamed}"
        raise ValueError(message)
    ordered = sorted(pairs, key=lambda pair: (len(pair[0]), pair[0]))
    return [offset for _, _, offset in ordered]


def _source_offset(line: str, where: str) -> str | None:
    if line == VOID:
        return None
    try:
        parse_offset(line, where=where)
    except ValueError as error:
        message = f"offset {line!r} is not whole: {error}"
        raise ValueError(message) from None
    return line


def _json_object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        message = f"expected a JSON object, got {text!r}"
        raise ValueError(message)  # noqa: TRY004 - a damaged file, not a wrong call
    return value


def _require(values: Mapping[str, Any], key: str) -> str | int:
    if key not in values:
        message = f"key {key!r} is missing, found {sorted(values)}"
        raise ValueError(message)
    value: str | int = values[key]
    return value
