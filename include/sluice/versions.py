"""The format version of what outlives a release: the ledger, and offsets into it.

One number for both, for neither is of use without the other. A release knows every
version up to its own. A newer one is refused before anything is read or written:
whatever that release made of the files, an older one would lose or double some.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Any

from sluice.errors import Condition, FatalError

FORMAT_VERSION = 1
"""What this release writes. What names no version is of version 1."""


def require_known(what: str, version: object) -> None:
    """Refuse ``what`` where its format version is not one that this release knows.

    ``version`` is as it was found, None where there is none.

    Raises:
        FatalError: a newer release wrote it.
    """
    known = {str(number) for number in range(1, FORMAT_VERSION + 1)}
    if version is None or str(version) in known:
        return
    raise FatalError(
        Condition.VERSION_TOO_NEW,
        f"{what} has format version {version}, and this Sluice {release()} knows "
        f"versions up to {FORMAT_VERSION}: a newer release wrote it; update Sluice "
        "where the driver runs and where the executors run (docs/deployment.md, "
        "'Upgrades')",
        {"found": version, "known": FORMAT_VERSION},
    )


def is_too_new(error: Exception) -> bool:
    """Return True if ``error`` is such a refusal: no damage, so nothing to mend."""
    if not isinstance(error, FatalError):
        return False
    return error.condition is Condition.VERSION_TOO_NEW


def ledger_offset(ledger_id: str, seq: int) -> dict[str, Any]:
    """Return the offset of the source after the file ``seq``, as Spark keeps it."""
    return {"ledger": ledger_id, "seq": seq, "version": FORMAT_VERSION}


def require_known_offset(where: str, offset: object) -> None:
    """Refuse an offset of a ledger that a newer release wrote; others are not ours.

    Raises:
        FatalError: a newer release wrote it; the message says ``where``.
    """
    if isinstance(offset, Mapping) and "ledger" in offset:
        require_known(where, offset.get("version"))


def release() -> str:
    """Return the version of the package, ``missing`` where it is not installed."""
    try:
        return installed_version("sluice")
    except PackageNotFoundError:
        return "missing"
