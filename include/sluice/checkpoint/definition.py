"""How a query was defined when it began: kept beside its checkpoint.

State and emitted windows are of that definition. Spark compares none of it: with other
windows or groups it goes on, and fills one table with both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from sluice import storage
from sluice.errors import Condition, FatalError
from sluice.paths import control_location, join

KEY = "definition.json"


def read_definition(checkpoint: str) -> str | None:
    """Return the kept definition as JSON; None where an earlier release began.

    Raises:
        FatalError: it is damaged.
    """
    content = storage.read(control_location(checkpoint), KEY)
    if content is None:
        return None
    try:
        text = content.decode("utf-8")
        json.loads(text)
    except ValueError as error:
        location = join(control_location(checkpoint), KEY)
        raise FatalError(
            Condition.CHECKPOINT_UNREADABLE,
            f"file {location!r} is damaged: {error}; restore it from a backup, or "
            "remove it if the pipeline file is as it was when the query began",
            {"path": location},
        ) from None
    return text


def keep_definition(checkpoint: str, definition: str) -> None:
    """Keep the definition of a query that begins; once it has begun, the first stays.

    The caller holds the lease.
    """
    root, content = control_location(checkpoint), definition.encode("utf-8")
    if storage.has_keys(checkpoint, "offsets"):
        storage.put_if_absent(root, KEY, content)
    else:
        storage.put(root, KEY, content)


def compare(kept: str, now: str) -> list[str]:
    """Return what differs, key by key; both are JSON objects."""
    return list(_differences(json.loads(kept), json.loads(now), ""))


def _differences(kept: object, now: object, key: str) -> Iterator[str]:
    if isinstance(kept, dict) and isinstance(now, dict):
        for name in sorted(kept.keys() | now.keys()):
            yield from _differences(kept.get(name), now.get(name), f"{key}.{name}")
    elif kept != now:
        yield f"{key[1:]} was {_shown(kept)}, now {_shown(now)}"


def _shown(value: object) -> str:
    return "not there" if value is None else json.dumps(value)
