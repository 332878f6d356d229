"""JSON text as values of Spark's VARIANT, by the builder that PySpark brings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isfinite
from typing import NoReturn

import pyarrow as pa

from sluice.formats.json_leniency import Leniency, strict_json

# As Spark's Arrow has it, without loading Spark.
VARIANT = pa.struct(
    [
        pa.field("value", pa.binary(), nullable=False),
        pa.field("metadata", pa.binary(), nullable=False, metadata={"variant": "true"}),
    ]
)


def is_variant(kind: pa.DataType) -> bool:
    """Return True if ``kind`` is that of Spark's VARIANT."""
    return bool(kind.equals(VARIANT, check_metadata=True))


def parse_variant(text: bytes, leniency: Leniency) -> dict[str, bytes]:
    """Return the variant of a JSON value, as the fields of ``VARIANT``.

    Raises:
        ValueError: a variant would not hold all of it: a key that comes twice in an
            object, a number beyond a double, more than 16 MB.
        msgspec.DecodeError: it is no JSON, or holds half a surrogate pair.
        RecursionError: it is nested too deep.
    """
    try:
        return _parse(text.decode())
    except json.JSONDecodeError:
        return _parse(strict_json(text, leniency).decode())


def _parse(text: str) -> dict[str, bytes]:
    from pyspark.sql.variant_utils import VariantUtils  # noqa: PLC0415 - loads Spark

    json.loads(
        text,
        object_pairs_hook=_require_once,
        parse_float=_require_finite,
        parse_constant=_refuse,
    )
    value, metadata = VariantUtils.parse_json(text)
    return {"value": value, "metadata": metadata}


def _require_once(members: Sequence[tuple[str, object]]) -> None:
    if len(dict(members)) < len(members):
        message = "a key comes twice in an object"
        raise ValueError(message)


def _require_finite(number: str) -> None:
    if not isfinite(float(number)):
        _refuse(number)


def _refuse(number: str) -> NoReturn:
    message = f"{number} is no number of JSON that a double holds"
    raise ValueError(message)
