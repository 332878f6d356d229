"""Schema versions under ``<schemaLocation>/_schemas``, which are never rewritten."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from sluice import storage
from sluice.errors import Condition, FatalError
from sluice.paths import join

FieldPath = tuple[str, ...]
"""The name of a field, behind those of the fields that it is in."""


@dataclass(frozen=True, kw_only=True)
class SchemaVersion:
    """A schema as it was inferred, or evolved from the version before.

    - ``number``: 0 for the one that was inferred first;
    - ``partition_columns``: those of its columns that the names of folders give;
    - ``added``: the file that brought each field which the version before lacks; a
      nested one is ``a.b``;
    - ``widened``: the file that brought each field a wider type than it had before;
    - ``run_id``: of the stream or run that kept it;
    - ``undone``: the paths of fields that an undo took out; evolution leaves them out;
    - ``undone_to``: the version whose fields it has, where an undo made it.
    """

    number: int = 0
    schema: StructType
    partition_columns: tuple[str, ...] = ()
    added: Mapping[str, str] = field(default_factory=dict)
    widened: Mapping[str, str] = field(default_factory=dict)
    run_id: str = ""
    undone: tuple[FieldPath, ...] = ()
    undone_to: int | None = None

    @property
    def fields(self) -> list[pa.Field]:
        """The columns as Arrow has them."""
        return list(to_arrow_schema(self.schema, timezone="UTC"))

    @property
    def undone_names(self) -> frozenset[str]:
        """What the fields that were undone are called, in lower case, as in ``a.b``."""
        return frozenset(".".join(path).lower() for path in self.undone)


def latest_version(schema_location: str) -> SchemaVersion | None:
    """Return the newest version below ``schema_location``, None where none is kept.

    Raises:
        FatalError: it cannot be read.
    """
    number = latest_number(schema_location)
    return None if number < 0 else _read(schema_location, number)


def latest_number(schema_location: str) -> int:
    """Return the number of the newest version, -1 where none is kept."""
    return max(_numbers(schema_location), default=-1)


def list_versions(schema_location: str, *, after: int = -1) -> list[SchemaVersion]:
    """Return the versions behind number ``after``, by default all, in order.

    Raises:
        FatalError: one cannot be read.
    """
    numbers = _numbers(schema_location)
    return [_read(schema_location, number) for number in numbers if number > after]


def kept_at(schema_location: str, number: int) -> datetime | None:
    """Return when a version was kept, as its storage says; None where it is gone."""
    found = storage.status(join(_root(schema_location), str(number)))
    return found.modified if found else None


def keep_version(schema_location: str, version: SchemaVersion) -> bool:
    """Write a version unless its number is taken; return True if this call did."""
    kept_as: dict[str, object] = {
        "version": version.number,
        "schema": version.schema.jsonValue(),
        "partition_columns": list(version.partition_columns),
        "added": dict(version.added),
        "widened": dict(version.widened),
        "run_id": version.run_id,
    }
    if version.undone:
        kept_as["undone"] = version.undone
    if version.undone_to is not None:
        kept_as["undone_to"] = version.undone_to
    content = json.dumps(kept_as, indent=1).encode()
    return storage.put_if_absent(_root(schema_location), str(version.number), content)


def _numbers(schema_location: str) -> list[int]:
    keys = storage.list_keys(_root(schema_location))
    return sorted(int(key) for key in keys if key.isdecimal())


def _read(schema_location: str, number: int) -> SchemaVersion:
    root = _root(schema_location)
    try:
        found = json.loads(storage.read(root, str(number)) or b"")
        return SchemaVersion(
            number=number,
            schema=StructType.fromJson(found["schema"]),
            partition_columns=tuple(found.get("partition_columns", ())),
            added=found.get("added", {}),
            widened=found.get("widened", {}),
            run_id=found.get("run_id", ""),
            undone=tuple(map(tuple, found.get("undone", ()))),
            undone_to=found.get("undone_to"),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise FatalError(
            Condition.SCHEMA_UNREADABLE,
            f"schema version {join(root, str(number))!r} cannot be read: {error}; "
            "restore it from a backup, or remove it to go on with the version before",
            {"path": join(root, str(number))},
        ) from error


def _root(schema_location: str) -> str:
    return join(schema_location, "_schemas")
