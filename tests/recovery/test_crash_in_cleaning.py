"""A cleaning that is killed at each of its writes: nothing lost, nothing unrecorded."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sluice.cleanup.pipeline import clean_landing
from sluice.config import load_pipeline
from sluice.history import archive_history
from sluice.ledger.events import EventKind
from sluice.ledger.ledger import Ledger
from support.builders import PipelineBuilder
from support.held_writes import HeldRun, Write, can_hold

pytestmark = pytest.mark.skipif(not can_hold(), reason="no seccomp to hold writes")

FILES = 3
COMMAND = """
import sys
from sluice.cleanup.pipeline import clean_landing
from sluice.config import load_pipeline
clean_landing(load_pipeline(sys.argv[1]), run_id="killed")
"""
PIPELINE = """\
name: orders
lake: {folder}/lake
bronze:
  source:
    options:
      cloudFiles.cleanSource: {mode}
      cloudFiles.cleanSource.retentionDuration: {retention}
      cloudFiles.cleanSource.moveDestination: {folder}/archive
"""


@dataclass(frozen=True)
class Cleaned:
    """A pipeline with files that may go, which can be had again and again."""

    folder: Path

    @property
    def pipeline(self) -> Path:
        """The pipeline file."""
        return self.folder / "orders.yaml"

    @property
    def work(self) -> Path:
        """All that a cleaning may write to."""
        return self.folder / "work"

    def begin_again(self) -> None:
        """Put everything back as it was before the first cleaning."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.folder / "before", self.work)

    def kill_at(self, position: int) -> bool:
        """Kill a cleaning before its write at ``position``; False if it has fewer."""
        return self.kill_where(lambda number, _: number == position)

    def kill_where(self, is_it: Callable[[int, Write], bool]) -> bool:
        """Kill a cleaning before the first write that is meant; False without one."""
        command = [sys.executable, "-c", COMMAND, str(self.pipeline)]
        with HeldRun.start(command, self.work) as run:
            for number, write in enumerate(run.writes()):
                if is_it(number, write):
                    run.kill()
                    return True
        return False

    def clean(self) -> None:
        """Clean to the end."""
        clean_landing(load_pipeline(str(self.pipeline)), run_id="again")

    def visible(self, below: str) -> dict[str, str]:
        """Return name and content of the files that a listing sees."""
        return {
            path.name: path.read_text()
            for path in (self.work / below).rglob("*.json")
            if not any(part.startswith(("_", ".")) for part in path.parts)
        }

    def hidden(self) -> list[Path]:
        """Return what is between two names."""
        return list((self.work / "lake/landing").rglob(".sluice*"))

    def recorded(self) -> set[str]:
        """Return the names that the ledger has as archived."""
        ledger = Ledger.open(str(self.work / "lake/schemas/orders"))
        assert ledger is not None
        return {Path(each.path).name for each in ledger.events(EventKind.ARCHIVED)}


def prepare(folder: Path, mode: str) -> Cleaned:
    """Return a pipeline whose files are committed, as a copy to begin again with."""
    cleaned = Cleaned(folder)
    text = PIPELINE.format(folder=cleaned.work, mode=mode, retention="0 seconds")
    cleaned.pipeline.write_text(text)
    pipeline = PipelineBuilder(load_pipeline(str(cleaned.pipeline)))
    for number in range(FILES):
        pipeline.land(f"{number}.json", rows=2)
    pipeline.run_batch()
    archive_history(pipeline.config)
    shutil.copytree(cleaned.work, folder / "before")
    return cleaned


@pytest.mark.parametrize("position", [2, 5, pytest.param(None, marks=pytest.mark.long)])
def test_cleaning_killed_at_a_write_is_finished_by_the_next(
    tmp_path: Path, position: int | None
) -> None:
    """Every file is in one place or the other, and in the end all are recorded."""
    cleaned = prepare(tmp_path, "MOVE")
    whole = cleaned.visible("lake/landing")
    positions = range(100) if position is None else [position]
    for each in positions:
        cleaned.begin_again()
        if not cleaned.kill_at(each):
            assert each > FILES, "the cleaning wrote nothing that was held"
            break
        kept = cleaned.visible("lake/landing") | cleaned.visible("archive")
        between = {path.read_text() for path in cleaned.hidden()}
        assert {*kept.values(), *between} == set(whole.values())

        cleaned.clean()

        assert cleaned.visible("archive") == whole
        assert cleaned.visible("lake/landing") == {}
        assert cleaned.hidden() == []
        assert cleaned.recorded() == set(whole)


@pytest.mark.parametrize("position", [2, 5, pytest.param(None, marks=pytest.mark.long)])
def test_name_that_comes_again_while_cleaning_lies_dead_is_kept(
    tmp_path: Path, position: int | None
) -> None:
    """The new file under the old name was never read; the old one is finished."""
    cleaned = prepare(tmp_path, "MOVE")
    whole = cleaned.visible("lake/landing")
    new = json.dumps({"order_id": "new"})
    positions = range(100) if position is None else [position]
    for each in positions:
        cleaned.begin_again()
        if not cleaned.kill_at(each):
            break
        (cleaned.work / "lake/landing/orders/0.json").write_text(new)

        cleaned.clean()

        assert cleaned.visible("lake/landing") == {"0.json": new}
        assert cleaned.hidden() == []
        moved = set(cleaned.visible("archive").values())
        assert set(whole.values()) - moved <= {whole["0.json"]}
        for name in whole.keys() - {"0.json"}:
            assert name in cleaned.recorded()


def test_cleaning_that_was_killed_is_finished_also_when_it_is_off(
    tmp_path: Path,
) -> None:
    """No file stays under a hidden name because an option has changed."""
    cleaned = prepare(tmp_path, "MOVE")
    whole = cleaned.visible("lake/landing")
    archive = cleaned.work / "archive"
    assert cleaned.kill_where(lambda _, write: write.path == archive / "0.json")
    assert cleaned.hidden()
    text = cleaned.pipeline.read_text()
    cleaned.pipeline.write_text(text.replace("cleanSource: MOVE", "cleanSource: OFF"))

    cleaned.clean()

    assert cleaned.hidden() == []
    kept = cleaned.visible("lake/landing") | cleaned.visible("archive")
    assert kept == whole
    assert cleaned.recorded() == set(cleaned.visible("archive")) != set()
