"""Compact a ledger: every run adds a small file to each of its tables."""

from __future__ import annotations

from sluice.delta.compaction import COMPACT_ABOVE, Compaction, compact_table
from sluice.paths import join

# Each table with the column that only grows, if it has one.
_KEYS = {"files": "seq", "claims": "end_seq", "events": None}


def compact_ledger(root: str, *, above: int = COMPACT_ABOVE) -> dict[str, Compaction]:
    """Compact each table of a ledger with more than ``above`` small data files.

    Returns what was done, by table. Costs opening three tables where nothing is. May
    run at any time beside discovery and claims; no seq and no claim changes.
    """
    done = {
        name: compact_table(join(root, name), key=key, above=above)
        for name, key in _KEYS.items()
    }
    return {name: each for name, each in done.items() if each}
