"""Keep pandas out of the process that plans a stream: nothing there needs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib.abc import MetaPathFinder
from types import ModuleType

PLANNER = "pyspark.sql.streaming.python_streaming_source_runner"
"""The module as which Spark starts a process for each stream that Python plans."""
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
            raise ModuleNotFoundError(
                "No module named 'pandas': Sluice leaves it out of this process",
                name=fullname,
            )


@lru_cache(maxsize=1)
def leave_pandas_out() -> None:
    """Have Arrow find no pandas, if this is Spark's process for one of our streams.

    Arrow would load it for the first value that comes from Python: a third of a second
    of a core in each run. Any other process may run code of users, who use it.
    """
    spec = sys.modules["__main__"].__spec__
    if spec is not None and spec.name == PLANNER:
        sys.meta_path.insert(0, _Missing())
