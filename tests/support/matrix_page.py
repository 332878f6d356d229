"""The tables of docs/schema_matrix.md, made by reading the files of each case.

What is written by hand is around them: each table is between two marks of the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from sluice.options.table import EvolutionMode
from support.schema_cases import CASES, MODES, Case, Landing, Values, outcome

PAGE = Path(__file__).parents[2] / "docs/schema_matrix.md"
_TABLE = re.compile(r"(?<=<!-- matrix: )(\w+) -->\n.*?(?=<!-- end -->)", re.DOTALL)


def page_of(text: str) -> str:
    """Return the text of the page with its tables as files are read."""
    return _TABLE.sub(lambda found: f"{found[1]} -->\n{table_of(found[1])}", text)


def tables_in(text: str) -> dict[str, str]:
    """Return the tables that a page has, by format."""
    found = _TABLE.finditer(text)
    return {each[1]: each[0].partition("\n")[2] for each in found}


def table_of(kind: str) -> str:
    """Return the table of a format, in which each cell was read from files."""
    head = ["a field that is", "first file", "next file", *map(_code, MODES)]
    lines = [head, ["---"] * len(head), *_lines(kind)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _lines(kind: str) -> Iterator[list[str]]:
    for case in CASES:
        if kind not in case.formats:
            continue
        first, after = map(_record, (case.before, case.after), case.folders)
        yield [case.title, first, after, *(_cell(kind, case, mode) for mode in MODES)]


def _cell(kind: str, case: Case, mode: EvolutionMode) -> str:
    with TemporaryDirectory() as folder:
        return outcome(Landing(Path(folder), kind, mode, case))


def _record(record: Values, folder: str) -> str:
    """Return what a file has, with its folder and the types that are given."""
    plain = {
        name: each.as_py()
        if isinstance(each, pa.Scalar)
        else each.to_pylist()
        if isinstance(each, pa.Array)
        else each
        for name, each in record.items()
    }
    given = any(isinstance(each, pa.Scalar | pa.Array) for each in record.values())
    where = f"{_code(folder)}: " if folder else ""
    return f"{where}{_code(json.dumps(plain))}{' (int32)' if given else ''}"


def _code(text: str) -> str:
    return f"`{text}`"


if __name__ == "__main__":
    PAGE.write_text(page_of(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
