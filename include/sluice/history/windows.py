"""How many windows of a silver table violate which rule, in ``ops/rules`` and now.

The commit that writes windows says how many of them violate each rule. The log of the
table has all commits, of the stream, of repairs, replays, backfills and drains, so each
is archived once, whatever is killed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from deltalake import Transaction

from sluice.columns import VIOLATIONS
from sluice.delta.log import TableCommit, open_table, read_commits
from sluice.delta.tables import commit_until_won, query_table
from sluice.history.tables import append_archived, open_or_create
from sluice.history.violations import RULES_SCHEMA, TABLE

if TYPE_CHECKING:
    from sluice.pipeline import Pipeline

COUNTED = "violations"
"""What a commit of windows says of itself: rules, and how many windows violate each."""


def archive_window_violations(
    pipeline: Pipeline, location: str, *, query_id: str | None, run_id: str
) -> Counter[str]:
    """Keep what commits to the table at ``location`` counted; return the sums by rule.

    A commit is kept once. Those of the query have its micro-batch, and ``path`` is the
    table.

    Raises:
        RetryableError: others were faster all the time.
    """
    table = open_table(location)
    if table is None:
        return Counter()
    app_id, newest = f"sluice-{TABLE}-{table.metadata().id}", table.version()
    kept = pipeline.ops_location(TABLE)

    def attempt() -> Counter[str] | None:
        archive = open_or_create(kept, RULES_SCHEMA)
        known = archive.transaction_version(app_id)
        after = -1 if known is None else known
        if after >= newest:
            return Counter()
        rows = [
            {"pipeline": pipeline.name, "run_id": run_id, "path": location, **row}
            for commit in read_commits(location, after=after)
            if commit.version <= newest
            for row in _rows(commit, query_id)
        ]
        if not append_archived(
            archive, RULES_SCHEMA, rows, Transaction(app_id, newest)
        ):
            return None
        sums: Counter[str] = Counter()
        for row in rows:
            sums[str(row["rule"])] += int(str(row["rows"]))
        return sums

    return commit_until_won(f"table {kept!r}", attempt)


def names_violations(location: str) -> bool:
    """Return True if a table has the column, also from rules that are gone."""
    table = open_table(location)
    fields = table.schema().fields if table else []
    return VIOLATIONS in {each.name for each in fields}


def count_violating(location: str) -> dict[str, int]:
    """Return by rule how many windows that a table has now violate it.

    Reads one column, of the data files of which the log says that some do.
    """
    table = open_table(location)
    if table is None or not names_violations(location):
        return {}
    column = f'"{VIOLATIONS}"'
    sql = (
        f"select {column} as names, count(*) as n from t where {column} is not null "
        "group by 1"
    )
    sums: Counter[str] = Counter()
    for row in query_table(table, sql).to_pylist():
        for name in row["names"].split(","):
            sums[name] += row["n"]
    return dict(sums)


def _rows(commit: TableCommit, query_id: str | None) -> Iterator[dict[str, object]]:
    counts = commit.described.get(COUNTED)
    if isinstance(counts, Mapping):
        for rule, count in counts.items():
            yield {
                "query_id": query_id if query_id in commit.transactions else None,
                "batch_id": commit.transactions.get(query_id or ""),
                "rule": str(rule),
                "rows": int(count),
                "table_version": commit.version,
                "committed_at": commit.committed_at,
            }
