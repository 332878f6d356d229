"""``sluice watch`` as a process of its own beside the runs' discovery."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
from watchfiles import Change

from sluice.discovery.listing import list_landed
from sluice.errors import Condition, RetryableError, UsageError
from sluice.options.configured import source_options
from sluice.options.incremental import Listing
from sluice.preflight.run import preflight
from sluice.watch import Arrivals, watch_pipeline
from support.builders import PipelineBuilder, pipeline_config

# The lifetime of the sign of life is given, so that a test need not wait for it.
_WATCH = """
import sys
from datetime import timedelta
from sluice import watch
watch.LIFETIME = timedelta(seconds=int(sys.argv[2]))
from sluice.cli import main
sys.argv = ["sluice", "watch", sys.argv[1], "--json"]
main()
"""


@pytest.fixture(params=[{}])
def pipeline(tmp_path: Path, request: pytest.FixtureRequest) -> PipelineBuilder:
    """Return a pipeline with a file that landed before the watcher started."""
    lake = tmp_path / "lake"
    source = {"options": request.param}
    content = {"name": "orders", "lake": str(lake), "bronze": {"source": source}}
    (tmp_path / "orders.yaml").write_text(json.dumps(content))
    pipeline = PipelineBuilder(pipeline_config(lake, bronze={"source": source}))
    pipeline.land("before.json")
    return pipeline


@pytest.fixture(params=[30])
def watcher(
    pipeline: PipelineBuilder, request: pytest.FixtureRequest
) -> Iterator[subprocess.Popen[str]]:
    """Return a watcher that has appended what was there when it began."""
    file = Path(pipeline.config.lake).with_name("orders.yaml")
    process = subprocess.Popen(
        [sys.executable, "-c", _WATCH, str(file), str(request.param)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert json.loads(process.stdout.readline())["files"] == 1
    yield process
    process.kill()
    process.communicate()


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` holds, for a minute at most."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def names(pipeline: PipelineBuilder) -> set[str]:
    """Return the names in the ledger."""
    return {Path(file.path).name for file in pipeline.ledger.files()}


def listing(pipeline: PipelineBuilder) -> Listing:
    """Let a run discover and return how much it listed."""
    found = preflight(pipeline.config, run_id="run").discovery
    assert found is not None
    return found.listing


def test_files_are_entered_as_they_arrive_and_runs_do_not_list(
    pipeline: PipelineBuilder, watcher: subprocess.Popen[str]
) -> None:
    """Until the watcher ends: then runs list by themselves, at once."""
    landing = Path(pipeline.config.landing_location)
    pipeline.land("_tmp/hidden.json")
    pipeline.land("a.json")
    pipeline.land("new/deep/b,c d.json")
    pipeline.land("_underway.json")
    (landing / "_underway.json").rename(landing / "renamed.json")
    expected = {"before.json", "a.json", "b,c d.json", "renamed.json"}
    wait_for(lambda: names(pipeline) == expected)

    found = preflight(pipeline.config, run_id="run")
    assert found.discovery is not None
    assert (found.new_files, found.discovery.listing) == (4, Listing.NONE)
    with pytest.raises(RetryableError) as caught:
        watch_pipeline(
            pipeline.config, run_id="second", stop=Event(), report=lambda _: None
        )
    assert caught.value.condition is Condition.LEASE_HELD
    assert "if it was killed, its sign of life ends at" in str(caught.value)

    watcher.send_signal(signal.SIGTERM)
    assert watcher.wait(timeout=30) == 0
    pipeline.land("after.json")
    assert listing(pipeline) is Listing.FULL
    assert names(pipeline) == {*expected, "after.json"}


@pytest.mark.parametrize(
    "pipeline",
    [{"cloudFiles.backfillInterval": "1s", "sluice.followLinks": "true"}],
    indirect=True,
)
def test_miss_is_found_by_the_full_listing_and_counted(
    pipeline: PipelineBuilder, watcher: subprocess.Popen[str], tmp_path: Path
) -> None:
    """The system reports nothing of a folder behind a link: a real miss."""
    hidden = tmp_path / "elsewhere"
    hidden.mkdir()
    Path(pipeline.config.landing_location, "link").symlink_to(hidden)
    for name in ("1.json", "2.json"):
        pipeline.land(name)
        wait_for(lambda name=name: name in names(pipeline))
        (hidden / "missed.json").write_text("{}\n")
        os.utime(hidden / "missed.json", (1, 1))
    assert names(pipeline) == {"before.json", "1.json", "2.json"}

    found = preflight(pipeline.config, run_id="run").discovery
    assert found is not None
    assert (found.listing, found.missed) == (Listing.FULL, 1)
    assert "missed.json" in names(pipeline)


def test_links_are_passed_over_as_by_a_listing(
    pipeline: PipelineBuilder, watcher: subprocess.Popen[str], tmp_path: Path
) -> None:
    """One that leads out, to a file or a folder, and one that leads back."""
    other, landing = tmp_path / "other", Path(pipeline.config.landing_location)
    (other / "deep").mkdir(parents=True)
    for name in ("out.json", "deep/out.json"):
        (other / name).write_text("{}\n")
    (landing / "day").mkdir()
    (landing / "day/a.json").write_text("{}\n")
    for name, target in (("folder", other), ("back", landing), ("again", "day")):
        (landing / name).symlink_to(target)
    (landing / "file.json").symlink_to(other / "out.json")
    wait_for(lambda: len(names(pipeline)) > 1)
    pipeline.land("last.json")
    wait_for(lambda: "last.json" in names(pipeline))

    entered = {file.path for file in pipeline.ledger.files()}
    listed = {each.path for each in list_landed(source_options(pipeline.config))}
    assert entered == listed
    assert {path.removeprefix(f"{landing}/") for path in listed} == {
        *("before.json", "last.json", "day/a.json", "again/a.json")
    }


@pytest.mark.parametrize("watcher", [3], indirect=True)
def test_killed_watcher_is_not_waited_for(
    pipeline: PipelineBuilder, watcher: subprocess.Popen[str]
) -> None:
    """Its sign of life expires, and runs list by themselves again."""
    wait_for(lambda: listing(pipeline) is Listing.NONE)
    watcher.kill()
    watcher.wait(timeout=30)

    wait_for(lambda: listing(pipeline) is Listing.FULL)


def test_folder_that_is_not_there_is_refused(pipeline: PipelineBuilder) -> None:
    """Nothing would ever arrive in it."""
    config = pipeline_config(Path(pipeline.config.lake, "none"))

    with pytest.raises(UsageError) as caught:
        watch_pipeline(config, run_id="run", stop=Event(), report=lambda _: None)

    assert caught.value.condition is Condition.PATH_NOT_FOUND


def test_bucket_cannot_be_watched(tmp_path: Path) -> None:
    """It reports no new files."""
    source = {"source": {"path": "s3://bucket/in"}}
    config = pipeline_config(tmp_path, bronze=source)

    with pytest.raises(UsageError) as caught:
        watch_pipeline(config, run_id="run", stop=Event(), report=lambda _: None)

    assert caught.value.condition is Condition.USAGE


def test_file_is_taken_once_nothing_happens_to_it(tmp_path: Path) -> None:
    """One that is still being written would be read half."""
    arrivals = Arrivals(source_options(pipeline_config(tmp_path)))
    arrivals.note({(Change.added, "/in/a"), (Change.added, "/in/gone")})
    arrivals.note({(Change.deleted, "/in/gone")})

    assert arrivals.settled(timedelta(seconds=60)) == []
    assert arrivals.settled(timedelta(0)) == ["/in/a"]
    arrivals.forget(["/in/a"])
    assert arrivals.settled(timedelta(0)) == []


def test_new_folder_counts_with_all_that_it_holds(tmp_path: Path) -> None:
    """Its files may have come before the system watched it."""
    (tmp_path / "new" / "deep").mkdir(parents=True)
    (tmp_path / "new" / "deep" / "a").touch()
    arrivals = Arrivals(source_options(pipeline_config(tmp_path)))

    arrivals.note({(Change.added, str(tmp_path / "new"))})

    assert arrivals.settled(timedelta(0)) == [f"{tmp_path}/new/deep/a"]
