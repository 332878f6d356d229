"""Every format that is built: a line each.

Modules are loaded when a format is first used: a pipeline file is checked, and a DAG
parsed, by the names alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from sluice.formats.base import Format

# What a pipeline file means where it names none comes first.
_MODULES = {
    "json": "sluice.formats.json",
    "csv": "sluice.formats.csv",
    "parquet": "sluice.formats.parquet",
    "text": "sluice.formats.text",
    "binaryFile": "sluice.formats.binary_file",
}
FORMATS = tuple(_MODULES)


def format_class(name: str) -> type[Format]:
    """Return the class of the format called ``name``, one of ``FORMATS``."""
    return cast("type[Format]", import_module(_MODULES[name]).FORMAT)


def spell_format(name: str) -> str | None:
    """Return the name in ``FORMATS`` that ``name`` is in any case, None for no name."""
    spelled = {each.lower(): each for each in FORMATS}
    return spelled.get(name.lower())


def default_format() -> Format:
    """Return the format of a source that names none, with its options' defaults."""
    return format_class(FORMATS[0])()


def name_formats() -> str:
    """Return the names of all formats as an error lists them."""
    return " or ".join(map(repr, FORMATS))
