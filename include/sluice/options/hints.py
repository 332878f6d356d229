"""Parse ``cloudFiles.schemaHints``: names and types of fields, as in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sluice.formats.json_variants import VARIANT

# A name may lead into a struct, and into what a list or a map holds.
ELEMENT, KEY, VALUE = "element", "key", "value"
_SIMPLE = {
    "BOOLEAN": pa.bool_(),
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "TEXT": pa.string(),
    "BINARY": pa.binary(),
    "DATE": pa.date32(),
    "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
    "TIMESTAMPLTZ": pa.timestamp("us", "UTC"),
    "TIMESTAMPNTZ": pa.timestamp("us"),
    "VARIANT": VARIANT,
}
_EXPECTED = "a list such as 'id BIGINT, address.zip STRING, tags ARRAY<STRING>'"


@dataclass(frozen=True)
class SchemaHint:
    """The type of the field that ``path`` leads to, from the outermost name on."""

    path: tuple[str, ...]
    kind: pa.DataType

    @property
    def name(self) -> str:
        """The path as it is spelled."""
        return ".".join(self.path)


def parse_hints(text: str) -> tuple[SchemaHint, ...]:
    """Return the hints of a list of names and types.

    Raises:
        ValueError: it is no such list, or has a type that no landed field can have.
    """
    # It takes a second to import, and few streams have hints.
    from sqlglot import tokenize  # noqa: PLC0415
    from sqlglot.errors import SqlglotError  # noqa: PLC0415

    try:
        tokens = tokenize(text, read="spark")
        hints = tuple(_parse_hint(text, part) for part in _split(tokens))
    except SqlglotError as error:
        raise ValueError(_EXPECTED) from error
    if not hints:
        raise ValueError(_EXPECTED)
    return hints


def _split(tokens: Sequence[Any]) -> Iterator[list[Any]]:
    """Yield the tokens of each hint, which commas outside of brackets part."""
    part: list[Any] = []
    depth = 0
    for token in tokens:
        depth += (token.text in {"<", "("}) - (token.text in {">", ")"})
        if token.text == "," and depth == 0:
            yield part
            part = []
        else:
            part.append(token)
    if depth:
        raise ValueError(_EXPECTED)
    if part:
        yield part


def _parse_hint(text: str, tokens: Sequence[Any]) -> SchemaHint:
    from sqlglot import parse_one  # noqa: PLC0415

    names = tokens[:1]
    rest = list(tokens[1:])
    while len(rest) > 1 and rest[0].text == ".":
        names, rest = [*names, rest[1]], rest[2:]
    if rest and rest[0].text == ":":
        rest = rest[1:]
    if not rest:
        raise ValueError(_EXPECTED)
    kind = text[rest[0].start : rest[-1].end + 1]
    # What follows a type that stands alone would be left out in silence.
    columns = parse_one(f"CREATE TABLE x (x {kind})", read="spark").this.expressions
    return SchemaHint(tuple(each.text for each in names), _field_type(columns[0]))


def _field_type(column: Any) -> pa.DataType:
    if "kind" not in column.args:
        raise ValueError(_EXPECTED)
    if column.args.get("constraints"):
        message = f"a name and a type alone: {column.sql('spark')!r} says more"
        raise ValueError(message)
    return _type(column.args["kind"])


def _type(kind: Any) -> pa.DataType:
    name = getattr(kind.this, "name", "")
    inner = kind.expressions
    if name in _SIMPLE and not inner:
        return _SIMPLE[name]
    if name == "DECIMAL":
        precision, scale = [*(int(each.name) for each in inner), 10, 0][:2]
        return pa.decimal128(precision, scale if len(inner) > 1 else 0)
    if name == "ARRAY" and inner:
        return pa.list_(pa.field(ELEMENT, _type(inner[0])))
    if name == "MAP" and len(inner) == len((KEY, VALUE)):
        return pa.map_(_type(inner[0]), _type(inner[1]))
    if name == "STRUCT" and inner:
        return pa.struct([(each.name, _field_type(each)) for each in inner])
    message = f"types that landed fields can have, not {kind.sql('spark')!r}"
    raise ValueError(message)
