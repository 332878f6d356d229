"""A driver that is killed around its merge into a table of current rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable

from sluice.audit.run import run_audit
from support.held_writes import HeldRun, can_hold
from support.lakes import CURRENT, Lake

pytestmark = [
    pytest.mark.needs_java,
    pytest.mark.usefixtures("spark"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(not can_hold(), reason="needs Linux's seccomp notifications"),
]
# The table is made as version 0, and the first run merges into it.
MERGED = f"silver/orders_newest/_delta_log/{1:020}.json"


@pytest.mark.long
@pytest.mark.parametrize("is_behind", [False, True], ids=["before", "behind"])
def test_run_killed_around_its_merge_has_each_row_once(
    tmp_path: Path, *, is_behind: bool
) -> None:
    """The next run merges what is not there, and the table what is new then."""
    folder = tmp_path / "killed"
    folder.mkdir()
    lake = Lake(folder)
    bronze, _, _ = lake.file.read_text().partition("silver:")
    lake.file.write_text(bronze + CURRENT)
    lake = Lake(folder)
    lake.land(2)
    kill_around_merge(lake, is_behind=is_behind)
    lake.land(1)

    lake.run("next")

    assert lake.current() == lake.newest()
    (current,) = lake.config.current
    table = DeltaTable(lake.config.current_location(current))
    merges = [each["operation"] for each in table.history()]
    assert merges.count("MERGE") == 1 + is_behind
    assert run_audit(lake.config, run_id="audit").verdict == "ok"


def kill_around_merge(lake: Lake, *, is_behind: bool) -> None:
    """Run and kill before the merge's commit gets its name, or at the next write."""
    with HeldRun.start(lake.command(), lake.folder) as run:
        is_merged = False
        for write in run.writes():
            if is_merged or (not is_behind and str(write.path).endswith(MERGED)):
                run.kill()
                return
            is_merged = str(write.path).endswith(MERGED)
    pytest.fail("the run ended by itself")
