"""Processes are found and ended by a mark, never by a name or a stale id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sluice.control.processes import (
    Mark,
    ProcessGroup,
    end_marked,
    list_marked,
    starting_group,
    stop_group,
)

PROGRAM = """
import signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "parent" in sys.argv:
    subprocess.Popen([sys.executable, "-c", {child!r}])
print("ready", flush=True)
time.sleep(60)
"""


def start(mark: Mark, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a program with a mark and wait until it is up."""
    child = "import time; time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(child=child), *arguments],
        env={**os.environ, **mark.as_environment()},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    return process


def test_only_processes_with_the_mark_are_ended():
    """Another program's process must never be hit."""
    mine, other = Mark.new("SLUICE_TEST"), Mark.new("SLUICE_TEST")
    ours, theirs = start(mine), start(other)
    try:
        assert end_marked(mine, grace_seconds=5) == [ours.pid]
        assert ours.wait() == -signal.SIGTERM
        assert list_marked(other) == [theirs.pid]
    finally:
        theirs.kill()
        theirs.wait()


def test_a_child_whose_parent_is_gone_is_still_found():
    """So are Python drivers whose spark-submit was killed."""
    mark = Mark.new("SLUICE_TEST")
    parent = start(mark, "parent")
    parent.kill()
    parent.wait()
    [orphan] = list_marked(mark)
    assert orphan != parent.pid
    assert end_marked(mark, grace_seconds=5) == [orphan]
    assert list_marked(mark) == []


def test_what_ignores_the_request_is_killed_after_the_grace():
    """Airflow's supervisor waits no more than five seconds."""
    mark = Mark.new("SLUICE_TEST")
    process = start(mark, "stubborn")
    began = time.monotonic()
    end_marked(mark, grace_seconds=0.3)
    assert 0.3 <= time.monotonic() - began < 5
    assert process.wait() == -signal.SIGKILL


def test_the_exit_code_is_left_to_the_parent():
    """Reaped by us, a failed submit would look to Popen like a success."""
    mark = Mark.new("SLUICE_TEST")
    process = start(mark)
    end_marked(mark, grace_seconds=5)
    assert process.wait() == -signal.SIGTERM


def test_a_process_that_carries_the_mark_does_not_end_itself():
    """A caller that was started with the mark outlives its own clean-up."""
    mark = Mark.new("SLUICE_TEST")
    program = (
        "import os; from sluice.control.processes import Mark, end_marked;"
        "mark = Mark('SLUICE_TEST', os.environ['SLUICE_TEST']);"
        "assert end_marked(mark, grace_seconds=1) == []"
    )
    environ = {**os.environ, **mark.as_environment()}
    environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    subprocess.run([sys.executable, "-c", program], env=environ, check=True)


def sleep_in(group: ProcessGroup, name: str, command: str = "time.sleep(60)") -> int:
    """Start a process of a group that sleeps, and return its id."""
    group.start(
        name,
        [sys.executable, "-c", f"import subprocess, sys, time; {command}"],
        cwd=Path(group.folder),
        environ=os.environ,
    )
    return group.pids[name]


def test_stopping_a_group_that_never_started_does_nothing(tmp_path):
    """`make down` and `make cluster-down` may be called at any time, twice too."""
    assert stop_group(tmp_path) == []
    assert stop_group(tmp_path) == []


def test_stale_record_of_a_group_hits_no_process_that_got_its_id(tmp_path):
    """After a restart of the machine the ids belong to others."""
    facts = {
        "folder": str(tmp_path),
        "port": 1,
        "mark": "x",
        "pids": {"a": os.getpid()},
    }
    (tmp_path / "processes.json").write_text(json.dumps(facts))
    group = ProcessGroup.read(tmp_path)
    assert group
    assert not group.is_running
    assert stop_group(tmp_path) == []
    assert ProcessGroup.read(tmp_path) is None


def test_group_is_stopped_with_all_that_it_started(tmp_path):
    """Tasks that a component has left behind are ended as well."""
    child = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with starting_group(tmp_path, 1) as group:
        component = sleep_in(group, "component")
        parent = sleep_in(group, "parent", child)
        os.waitpid(parent, 0)
    (task,) = set(group.list_pids()) - {component}
    assert group.first_ended() == "parent"

    found = ProcessGroup.read(tmp_path)
    assert found == group
    assert found.stop(patience_seconds=0.5) == sorted([component, task])
    assert group.list_pids() == []
    assert ProcessGroup.read(tmp_path) is None


def test_a_process_whose_program_is_about_to_begin_has_not_ended(tmp_path):
    """Until then it shows no environment, as this shell that was started without."""
    group = ProcessGroup(folder=str(tmp_path), port=1)
    mark = f"SLUICE_GROUP={group.mark}"
    begin = f"/bin/sleep 0.3; export {mark}; exec /bin/sleep 60"
    with subprocess.Popen(["/bin/sh", "-c", begin], env={}) as process:
        group.pids["a"] = process.pid
        assert group.first_ended() is None
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert group.first_ended() == "a"
    assert group.first_ended() == "a"


def test_a_process_without_an_environment_is_not_of_the_group(tmp_path):
    """A thread of the kernel has none and can have the id of a stale record."""
    with subprocess.Popen(["/bin/sleep", "60"], env={}) as process:
        group = ProcessGroup(folder=str(tmp_path), port=1, pids={"a": process.pid})
        assert group.first_ended() == "a"
        process.kill()


def test_group_whose_start_fails_is_stopped(tmp_path):
    """Half of an Airflow or of a cluster must not be left behind."""
    groups = []

    def fail_to_start() -> None:
        with starting_group(tmp_path, 1) as group:
            groups.append(group)
            sleep_in(group, "first")
            assert group.is_running
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_to_start()
    assert groups[0].list_pids() == []
    assert ProcessGroup.read(tmp_path) is None


def test_new_group_takes_the_place_of_the_old_one(tmp_path):
    """What is left of an Airflow that lost a component ends before another starts."""
    with starting_group(tmp_path, 1) as old:
        sleep_in(old, "first")
    with starting_group(tmp_path, 2) as new:
        assert old.list_pids() == []
        sleep_in(new, "first")
    assert stop_group(tmp_path) == [new.pids["first"]]
