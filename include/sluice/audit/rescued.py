"""Read what the table has of files of which most rows have rescued data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from deltalake import DeltaTable

from sluice.columns import ADDED_BY_BRONZE, RESCUED_DATA, SOURCE_FILE
from sluice.delta.copies import Part, query_part
from sluice.delta.tables import any_of
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
    part = Part(
        columns=[SOURCE_FILE, RESCUED_DATA],
        where=f"{any_of(SOURCE_FILE, list(counts))} and {RESCUED_DATA} is not null",
        nulls=landed,
    )
    for row in query_part(table, _SQL, part).to_pylist():
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


_SQL = (
    f'select "{SOURCE_FILE}" as path, "{RESCUED_DATA}" as text from ('
    f'select *, row_number() over (partition by "{SOURCE_FILE}") as n from part'
    f") where n <= {_TEXTS}"
)
