"""Records: small typed objects, kept as JSON beside a ledger or a checkpoint."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from sluice import storage
from sluice.errors import Condition, FatalError
from sluice.paths import join

_Kind = TypeVar("_Kind")


def save_record(root: str, key: str, record: object) -> None:
    """Keep ``record`` as ``key`` below ``root``, replacing what is there."""
    storage.put(root, key, msgspec.json.encode(record))


def load_record(
    root: str, key: str, kind: type[_Kind], *, remedy: str | None = None
) -> _Kind | None:
    """Return the record ``key`` below ``root``, None where it is absent.

    A damaged one is ignored, or refused if there is a ``remedy`` to name.

    Raises:
        FatalError: the record is damaged.
    """
    content = storage.read(root, key)
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        if remedy is None:
            return None
        location = join(root, key)
        raise FatalError(
            Condition.LEDGER_UNREADABLE,
            f"record {location!r} is damaged: {error}; {remedy}",
            {"path": location},
        ) from error


def load_records(
    root: str, kind: type[_Kind], *, folder: str = "", remedy: str
) -> list[_Kind]:
    """Return all records in a folder below ``root``, each as ``load_record`` does."""
    keys = storage.list_keys(root, folder)
    found = [load_record(root, key, kind, remedy=remedy) for key in keys]
    return [each for each in found if each is not None]
