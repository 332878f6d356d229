"""Keep pandas out of the processes that are ours alone: nothing of ours needs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib.abc import MetaPathFinder
from types import ModuleType

_PANDAS = "pandas"


class _Missing(MetaPathFinder):
    """Says of pandas that it is not installed."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> None:
        if fullname == _PANDAS:
            raise ModuleNotFoundError("this process does without it", name=fullname)


@lru_cache(maxsize=1)
def leave_pandas_out() -> None:
    """Have the libraries of this process find no pandas, unless it is loaded already.

    PyArrow loads it for the first value that comes from Python, and PySpark where a
    session starts: a third of a second of a core, and both do without it. Never call
    this in a process that runs code of users.
    """
    if _PANDAS not in sys.modules:
        sys.meta_path.insert(0, _Missing())
