"""Nothing is written to a landing folder: it often is another team's, and read-only."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from sluice.audit.run import run_audit
from sluice.cleanup.pipeline import clean_landing
from sluice.discovery.run import Discovery
from sluice.history import archive_history
from sluice.history.files import list_files
from sluice.preflight.plan import plan_run
from sluice.preflight.run import preflight
from sluice.watch import watch_pipeline
from support.builders import PipelineBuilder, pipeline_config
from support.tree import untouched


def test_commands_leave_the_landing_folder_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Names, contents and times, those of folders too; and there is no warning."""
    landing = tmp_path / "landing"
    source = {"path": str(landing)}
    config = pipeline_config(tmp_path / "lake", bronze={"source": source})
    pipeline = PipelineBuilder(config)
    pipeline.land("a.json")
    pipeline.land("2026/b.json")
    stop = Event()
    seen: list[int] = []

    def note(found: Discovery) -> None:
        seen.append(found.files)
        stop.set()

    with untouched(landing):
        watch_pipeline(config, run_id="watch", stop=stop, report=note)
        assert len(plan_run(config).waiting) == 2
        assert preflight(config, run_id="run").new_files == 2
        pipeline.run_batch()
        archive_history(config)
        assert clean_landing(config, run_id="run") is None
        assert len(list_files(config)) == 2
        assert run_audit(config).verdict == "ok"
    assert seen == [2]
    assert caplog.text == ""
