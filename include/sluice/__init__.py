"""Sluice: an open Auto Loader for Apache Spark and Delta Lake."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluice.history.cloud_files_state import cloud_files_state
    from sluice.spark.restarts import is_schema_change, run_until_stable

__all__ = ["cloud_files_state", "is_schema_change", "run_until_stable"]

# What a user imports from here, by its module: loaded when asked for, as it takes time.
_MODULES = {
    "cloud_files_state": "sluice.history.cloud_files_state",
    "is_schema_change": "sluice.spark.restarts",
    "run_until_stable": "sluice.spark.restarts",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_MODULES[name]), name)
