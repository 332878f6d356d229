"""Where a landing folder ends: links that lead out of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

_LOG = logging.getLogger("sluice")


def is_inside(root: str, *, follows: bool) -> Callable[[str], bool]:
    """Return a function that says if a path below ``root`` is in it, links resolved.

    It warns of the first link that leads elsewhere. ``root`` may be a link itself.
    With ``follows`` all is inside.
    """
    if follows:
        return lambda _: True
    real, warned = os.path.join(os.path.realpath(root), ""), False  # noqa: PTH118

    def inside(path: str) -> bool:
        nonlocal warned
        if not os.path.islink(path):  # noqa: PTH114 - asked for each new file
            return True
        target = os.path.realpath(path)
        if os.path.join(target, "").startswith(real):  # noqa: PTH118
            return True
        if not warned:
            _LOG.warning(
                "landing folder: link %r leads out of %r, to %r: passed over, as any "
                "other is; set option 'sluice.followLinks' to read what they lead to",
                path,
                root,
                target,
            )
            warned = True
        return False

    return inside
