"""The fields of a JSON object and the elements of an array, each in its exact text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from sluice.formats.json_leniency import (
    SPARKS,
    UNDECODABLE,
    Leniency,
    read_elements,
    read_members,
    strict_json,
)

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_VALUE = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True)
class Fields:
    """The values of an object by name, as they stand.

    - ``repeated``: those of a name that comes again, of which the last one counts;
    - ``rest``: what is behind the object.
    """

    values: Mapping[str, msgspec.Raw | bytes]
    repeated: tuple[tuple[str, bytes], ...] = ()
    rest: bytes = b""


def decode_fields(text: bytes, leniency: Leniency = SPARKS) -> Fields | None:
    """Return the fields of a JSON object, None where it is none."""
    try:
        return Fields(_OBJECT.decode(text))
    except UNDECODABLE:
        found = read_members(text, leniency)
    if found is None:
        return None
    members, rest = found
    return Fields(dict(members), _repeated(members), rest)


def _repeated(members: Sequence[tuple[str, bytes]]) -> tuple[tuple[str, bytes], ...]:
    last = {name: number for number, (name, _) in enumerate(members)}
    return tuple(
        member for number, member in enumerate(members) if last[member[0]] != number
    )


def decode_elements(text: bytes, leniency: Leniency) -> Iterable[msgspec.Raw | bytes]:
    """Return the elements of an array as they stand.

    Raises:
        msgspec.DecodeError: it is no array.
    """
    try:
        return _ARRAY.decode(text)
    except UNDECODABLE:
        return read_elements(text, leniency)


def repeated_keys(
    text: bytes, fields: Fields, leniency: Leniency
) -> list[tuple[str, msgspec.Raw]]:
    """Return what a map cannot hold, as it has a key once."""
    repeated = fields.repeated
    if not repeated and len(fields.values) < _count_members(text):
        members, _ = read_members(text, leniency) or ([], b"")
        repeated = _repeated(members)
    return [(name, valid_json(raw, leniency)) for name, raw in repeated]


def _count_members(text: bytes) -> int:
    """Return how many members an object of strict JSON has; 0 where it is none."""
    try:
        # The outermost object comes last.
        shape = text.decode("utf-8", "replace")
        return int(json.loads(shape, object_pairs_hook=len, parse_int=len))
    except (ValueError, RecursionError):
        return 0


def valid_json(text: bytes, leniency: Leniency) -> msgspec.Raw:
    """Return the text of a value as JSON; as a string that shows it if it is none."""
    try:
        text.decode()
        return _VALUE.decode(text)
    except UNDECODABLE:
        pass
    try:
        return msgspec.Raw(strict_json(text, leniency))
    except UNDECODABLE:
        return msgspec.Raw(msgspec.json.encode(shown(text)))


def shown(text: bytes) -> str:
    """Return text, of which the bytes that are not UTF-8 are escaped."""
    return text.decode("utf-8", "backslashreplace")
