"""The tables of docs/options.md, made from the tables of options in the code.

What is written by hand is around them: each table is between two marks of the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from sluice.formats.registry import FORMATS, format_class
from sluice.options.clean import CLEANING
from sluice.options.discovery import DISCOVERY
from sluice.options.limits import LIMITS
from sluice.options.refused import FILE_EVENTS
from sluice.options.table import READING
from sluice.values import Option
from support.option_tests import proof_of

PAGE = Path(__file__).parents[2] / "docs/options.md"
SECTIONS = {
    "reading": READING,
    "limits": LIMITS,
    **{name: format_class(name).options for name in FORMATS},
    "discovery": DISCOVERY,
    "cleaning": CLEANING,
    "file events": FILE_EVENTS,
}
_TABLE = re.compile(r"(?<=<!-- options: )([\w ]+) -->\n.*?(?=<!-- end -->)", re.DOTALL)
_HEAD = ("option", "default", "status", "meaning", "test")


def page_of(text: str) -> str:
    """Return the text of the page with its tables as the code has them."""
    return _TABLE.sub(lambda found: f"{found[1]} -->\n{_table(found[1])}", text)


def sections_of(text: str) -> list[str]:
    """Return the names of the tables that a page has."""
    return _TABLE.findall(text)


def _table(section: str) -> str:
    ruler = ["---"] * len(_HEAD)
    lines = [_HEAD, ruler, *_lines(section, SECTIONS[section])]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _lines(section: str, rows: Iterable[Option]) -> Iterator[list[str]]:
    """Yield the cells of each line; neighbours that differ in their names share one."""
    cells = [(row, _cells(section, row)) for row in rows]
    for shared, alike in groupby(cells, key=lambda each: each[1]):
        names = [_code(name) for row, _ in alike for name in row.names]
        yield [", ".join(names), *shared]


def _cells(section: str, row: Option) -> list[str]:
    """Return all cells of a row but the first."""
    default = row.otherwise or "none" if row.default is None else _value(row.default)
    proof = f"`{proof_of(section, row)}`"
    if row.only is None:
        return [default, "works", _escaped(row.meaning), proof]
    accepted = _value(row.default if row.default is not None else row.only)
    meaning = f"{_escaped(row.meaning)}. Instead: {_escaped(row.instead)}"
    return [default, f"refused unless {accepted}", meaning, proof]


def _value(text: str) -> str:
    return _code(text) if text else "empty"


def _code(text: str) -> str:
    return f"`{_escaped(text)}`"


def _escaped(text: str) -> str:
    return text.replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(page_of(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
