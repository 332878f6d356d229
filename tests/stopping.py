"""A pipeline of many small micro-batches, and a run of it that will be stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from delta_rows import read_delta
from killing import newest, session_states
from sluice.config import PipelineConfig, load_pipeline
from sluice.paths import control_location
from sluice.storage import list_keys

FILES = 24
DEADLINE = 240.0
PIPELINE = """\
name: orders
lake: {lake}
bronze:
  source:
    schema: "order_id string"
    options: {{cloudFiles.maxFilesPerTrigger: 1}}
"""
SLUICE = [sys.executable, "-c", "from sluice.cli import main; main()"]


class Lake:
    """A pipeline whose files are one micro-batch each."""

    def __init__(self, folder: Path) -> None:
        """Write the pipeline file and land the files."""
        self.file = folder / "orders.yaml"
        self.file.write_text(PIPELINE.format(lake=folder / "lake"))
        self.config: PipelineConfig = load_pipeline(str(self.file))
        self.checkpoint = Path(self.config.bronze_checkpoint_location)
        landing = Path(self.config.landing_location)
        landing.mkdir(parents=True)
        for number in range(FILES):
            line = json.dumps({"order_id": f"order-{number}"})
            (landing / f"{number:02d}.json").write_text(line)

    @property
    def done(self) -> int:
        """The newest micro-batch in the commit log, -1 before the first."""
        return newest(self.checkpoint / "commits")

    @property
    def is_cut(self) -> bool:
        """Whether a micro-batch was planned and not finished."""
        return newest(self.checkpoint / "offsets") != self.done

    def orders(self) -> Counter[str]:
        """Return how often each order is in the table, read by delta-rs."""
        rows = read_delta(Path(self.config.bronze_location)).to_pylist()
        return Counter(row["order_id"] for row in rows)

    def control(self) -> list[str]:
        """Return what lies beside the checkpoint."""
        return list_keys(control_location(str(self.checkpoint)))


@contextmanager
def running(lake: Lake, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run bronze in a session of its own; nothing of it may be alive afterwards."""
    command = [*SLUICE, "run", str(lake.file), "--steps", "bronze,audit", *options]
    environment = os.environ | {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    process = subprocess.Popen(
        command,
        start_new_session=True,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        left = await_none(lambda: _living(process.pid), seconds=10)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left, "processes outlived the run"


def wait_for_batch(lake: Lake, process: subprocess.Popen[str], batch: int) -> None:
    """Wait until a micro-batch is done while more are to come."""
    until = time.monotonic() + DEADLINE
    while lake.done < batch:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "the batch never came"
        time.sleep(0.02)


def await_none(
    list_left: Callable[[], Sequence[int]], *, seconds: float
) -> Sequence[int]:
    """Return the processes that ``list_left`` still tells of after some seconds."""
    until = time.monotonic() + seconds
    while (left := list_left()) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def _living(session: int) -> list[int]:
    return [pid for pid, state in session_states(session).items() if state not in "ZX"]
