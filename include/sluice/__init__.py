"""Sluice: an open Auto Loader for Apache Spark and Delta Lake."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluice.history.cloud_files_state import cloud_files_state

__all__ = ["cloud_files_state"]

# What a user imports from here, by its module: loaded when asked for, as it takes time.
_MODULES = {"cloud_files_state": "sluice.history.cloud_files_state"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_MODULES[name]), name)
