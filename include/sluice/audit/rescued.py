"""Read what the table has of files of which most rows have rescued data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from deltalake import DeltaTable

from sluice.columns import ADDED_BY_BRONZE, RESCUED_DATA, SOURCE_FILE
from sluice.delta.tables import any_of, query_table
from sluice.rules.facts import LedgerFacts, MostlyRescued

# The newest are what a change of option mends; a look at all would read the table.
_FILES, _TEXTS = 20, 5
_ADDED = ADDED_BY_BRONZE | {RESCUED_DATA}


def read_mostly_rescued(
    table: DeltaTable, *, ledger: LedgerFacts | None, source_format: str
) -> tuple[MostlyRescued, ...]:
    """Return the newest files of which most rows have rescued data, with some of it.

    That is of rows without any other value: where one was read, the options fit.
    """
    counts = dict(_newest(ledger)) if ledger else {}
    if not counts:
        return ()
    texts: defaultdict[str, list[str]] = defaultdict(list)
    fields = [each.name for each in table.schema().fields]
    landed = [name for name in fields if name not in _ADDED]
    for row in query_table(table, _texts_sql(list(counts), landed)).to_pylist():
        texts[row["path"]].append(row["text"])
    return tuple(
        MostlyRescued(path, source_format, *counts[path], tuple(found))
        for path, found in texts.items()
    )


def _newest(ledger: LedgerFacts) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield path, rows and rescued rows of such files."""
    left = _FILES
    for file in reversed(ledger.files):
        written = ledger.written.get(file.seq)
        rows, rescued = (written.rows, written.rescued) if written else (0, 0)
        if left and rows and rescued and rescued * 2 > rows:
            left -= 1
            yield file.path, (rows, rescued)


def _texts_sql(paths: list[str], landed: list[str]) -> str:
    """Return the query for some texts of files whose rows have nothing ``landed``."""
    names = ('"' + name.replace('"', '""') + '"' for name in landed)
    empty = "".join(f" and {name} is null" for name in names)
    return (
        f'select "{SOURCE_FILE}" as path, "{RESCUED_DATA}" as text from ('
        f'select "{SOURCE_FILE}", "{RESCUED_DATA}", row_number() over '
        f'(partition by "{SOURCE_FILE}") as n from t '
        f'where {any_of(SOURCE_FILE, paths)} and "{RESCUED_DATA}" is not null'
        f"{empty}) where n <= {_TEXTS}"
    )
