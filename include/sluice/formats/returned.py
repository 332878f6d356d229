"""The JSON text under which a value that a table has is rescued after all."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest

import msgspec
import pyarrow as pa
import pyarrow.types as pt

from sluice.columns import FILE_PATH
from sluice.errors import Condition, FatalError
from sluice.formats.json_fields import shown
from sluice.formats.json_leniency import SPARKS, read_elements, read_members
from sluice.formats.parquet_values import to_json

_SHOWN_CHARACTERS = 200


def as_record(value: object, kind: pa.DataType) -> msgspec.Raw:
    """Return a value as a JSON record would have it: null where it has no field."""
    return to_json(_plain(value, kind))


def as_cell(value: object, kind: pa.DataType) -> msgspec.Raw:
    """Return a value as the text of a cell; as bytes it is that text in UTF-8."""
    if isinstance(value, bytes):
        return msgspec.Raw(msgspec.json.encode(shown(value)))
    raw = as_record(value, kind)
    is_text = bytes(raw).startswith(b'"')
    return raw if is_text else msgspec.Raw(msgspec.json.encode(bytes(raw).decode()))


def _plain(value: object, kind: pa.DataType) -> object:
    if isinstance(value, dict) and pt.is_struct(kind):
        kinds = {each.name: each.type for each in kind}
        return {
            name: _plain(each, kinds[name])
            for name, each in value.items()
            if each is not None
        }
    if isinstance(value, list) and pt.is_map(kind):
        return {str(key): _plain(each, kind.item_type) for key, each in value}
    if isinstance(value, list):
        return [_plain(each, kind.value_type) for each in value]
    return value


def add_rescued(
    text: str | None, values: Mapping[str, msgspec.Raw], file_path: str | None
) -> str | None:
    """Return the rescued data of a row that more ``values`` are rescued of.

    What both have of an object or an array is put together; else a name comes twice.

    Raises:
        FatalError: what was rescued before is no JSON object.
    """
    if not values:
        return text
    found = read_members((text or "{}").encode(), SPARKS)
    if found is None:
        raise FatalError(
            Condition.TABLE_UNREADABLE,
            f"a row of file {file_path!r} has rescued data that is no JSON object: "
            f"{(text or '')[:_SHOWN_CHARACTERS]}; correct or empty it in the table",
            {"path": file_path},
        )
    members, _ = found
    before = [each for each in members if each[0] != FILE_PATH]
    last = [each for each in members if each[0] == FILE_PATH]
    if not last and file_path is not None:
        last = [(FILE_PATH, msgspec.json.encode(file_path))]
    more = [(name, bytes(raw)) for name, raw in values.items()]
    return _object([*_merged(before, more), *last]).decode()


_Members = list[tuple[str, bytes]]


def _merged(before: _Members, more: _Members) -> _Members:
    members = list(before)
    for name, text in more:
        places = [at for at, each in enumerate(members) if each[0] == name]
        both = _put_together(members[places[0]][1], text) if places else None
        if both is None:
            members.append((name, text))
        else:
            members[places[0]] = (name, both)
    return members


def _put_together(one: bytes, other: bytes) -> bytes | None:
    """Return what has all of both, None where they are no two parts of one value."""
    if one.startswith(b"{") and other.startswith(b"{"):
        mine, theirs = read_members(one, SPARKS), read_members(other, SPARKS)
        return _object(_merged(mine[0], theirs[0])) if mine and theirs else None
    if one.startswith(b"[") and other.startswith(b"["):
        pairs = zip_longest(
            read_elements(one, SPARKS), read_elements(other, SPARKS), fillvalue=b"null"
        )
        elements = [_element(*pair) for pair in pairs]
        known = [each for each in elements if each is not None]
        return b"[%b]" % b",".join(known) if len(known) == len(elements) else None
    return None


def _element(one: bytes, other: bytes) -> bytes | None:
    if b"null" in {one, other}:
        return other if one == b"null" else one
    return _put_together(one, other)


def _object(members: _Members) -> bytes:
    texts = (msgspec.json.encode(name) + b":" + text for name, text in members)
    return b"{%b}" % b",".join(texts)
