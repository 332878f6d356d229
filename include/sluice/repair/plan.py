"""Decide where a new checkpoint begins: pure, from what ledger and table hold.

A micro-batch's rows come and go as one, but for a DELETE. So what the table holds are
whole ranges from the start on, and the new query goes on after the last of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sluice.checkpoint.pending import Missing
from sluice.errors import Condition, FatalError
from sluice.model import CHAIN_START

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class HeldFile:
    """One file of the ledger: how many rows the table has of it, and should have.

    ``expected`` is None where no archive says how many rows the file had.
    """

    seq: int
    path: str
    rows: int
    expected: int | None

    @property
    def is_gone(self) -> bool:
        """Whether the table has none of the rows that the file may have had."""
        return not self.rows and self.expected != 0

    @property
    def is_partial(self) -> bool:
        """Whether the table has some other number of the file's rows, but not none."""
        return bool(self.rows) and self.expected not in {None, self.rows}


@dataclass(frozen=True)
class HeldRange:
    """The files of one planned micro-batch, and whether this table once took it.

    ``was_committed`` is proven; ``may_be_committed`` cannot be ruled out. ``is_one`` is
    False for the first range of a rebuilt ledger, which many commits have brought.
    """

    end: int
    files: tuple[HeldFile, ...]
    was_committed: bool
    may_be_committed: bool
    is_one: bool = True

    @property
    def is_held(self) -> bool:
        """Whether the table has rows of it."""
        return any(file.rows for file in self.files)

    @property
    def adds_nothing(self) -> bool:
        """Whether it is known to have no rows to lose."""
        return self.was_committed and all(file.expected == 0 for file in self.files)

    def gone(self) -> Iterator[HeldFile]:
        """Yield the files that a DELETE must have taken, if the range is held."""
        # Of a held range, a file whose rows were not counted had none: all of a
        # micro-batch's rows are committed at once.
        had_none = self.is_held and self.is_one
        for file in self.files:
            if file.is_gone and not (had_none and file.expected is None):
                yield file


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """The files up to ``end`` are the table's; what is not as it should be.

    ``reread`` had rows in the table once and come again; ``gone`` and ``partial`` lie
    before the end, so they do not.
    """

    end: int
    reread: tuple[HeldFile, ...]
    gone: tuple[HeldFile, ...]
    partial: tuple[HeldFile, ...]


def plan_adoption(ranges: Sequence[HeldRange], missing: Missing | None) -> Adoption:
    """Return after which claimed range the new checkpoint begins.

    It is the last range of which the table has rows; with ``missing`` as ``skip`` the
    last one that was ever committed. Ranges without any row to lose come on top.
    """
    is_adopted = [
        each.is_held or (missing == "skip" and each.was_committed) for each in ranges
    ]
    count = max((n for n, adopted in enumerate(is_adopted, 1) if adopted), default=0)
    while count < len(ranges) and ranges[count].adds_nothing:
        count += 1
    held, rest = ranges[:count], ranges[count:]
    return Adoption(
        end=held[-1].end if held else CHAIN_START,
        reread=tuple(
            f for each in rest if each.may_be_committed for f in _had_rows(each)
        ),
        gone=tuple(file for each in held for file in each.gone()),
        partial=tuple(f for each in held for f in each.files if f.is_partial),
    )


def require_whole(adoption: Adoption, pipeline: str, missing: Missing | None) -> None:
    """Refuse to adopt ranges of which the table has a part, but with ``skip``.

    Raises:
        FatalError: names the files, and the ways out.
    """
    wrong = [*adoption.gone, *adoption.partial]
    if not wrong or missing == "skip":
        return
    raise FatalError(
        Condition.REPAIR_IMPOSSIBLE,
        f"pipeline {pipeline!r}: table and archive differ by "
        f"{len(wrong)} files that were read before others whose rows are there: "
        f"{describe(wrong)}; put the table right by RESTORE, or run "
        f"'sluice checkpoint repair {pipeline} --reread', which makes a new ledger and "
        "has those without a row read again, or the command with --skip, which goes on "
        "without these rows; "
        f"'sluice replay {pipeline} --files …' then brings back those that are wanted",
        {"paths": [file.path for file in wrong]},
    )


def describe(files: Sequence[HeldFile]) -> str:
    """Return the first few files with the rows they have and should have."""
    named = [
        f"{file.path!r} ({file.rows} of "
        f"{'?' if file.expected is None else file.expected} rows)"
        for file in files[:_SHOWN]
    ]
    return ", ".join(named) + (" …" if files[_SHOWN:] else "")


def _had_rows(held: HeldRange) -> Iterable[HeldFile]:
    return (file for file in held.files if file.expected != 0)
