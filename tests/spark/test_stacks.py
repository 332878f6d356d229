"""What a failed run prints: our message, and a stack only where ``--verbose`` asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sluice.errors import ExitCode
from support.killing import JOBS
from support.lakes import SLUICE, Lake
from support.plain_spark import run_bronze

pytestmark = [pytest.mark.needs_java, pytest.mark.timeout(600)]

RIGHT = "{order_count: count(*)}"
UNKNOWN_COLUMN = "{total: sum(nope)}"
NO_NUMBERS = "{total: sum(cast(payment_method as int))}"


def printed_by(*command: str, exit_code: ExitCode) -> str:
    """Run a command that fails and return all that it prints."""
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Without what a command that ran in this process asked for.
        env={key: os.environ[key] for key in os.environ if key != "SLUICE_STACKS"},
    )
    assert done.returncode == exit_code, done.stdout
    return done.stdout


def stacks(printed: str) -> set[str]:
    """Return whose stacks are in ``printed``."""
    lines = printed.splitlines()
    found = {
        "Java": "\tat org.apache" in printed,
        "Python": "Traceback" in printed,
        "JSON": any(line.startswith("{") for line in lines),
    }
    return {whose for whose, is_there in found.items() if is_there}


def silver_that_fails(lake: Lake, aggregates: str) -> list[str]:
    """Give silver wrong aggregates; return the command that runs it."""
    lake.file.write_text(lake.file.read_text().replace(RIGHT, aggregates))
    return ["run", str(lake.file), "--steps", "silver"]


def test_failure_that_our_message_explains_prints_no_stack(tmp_path: Path) -> None:
    """Spark finds it in a task of the query, so both Java and Python have a stack."""
    lake = Lake(tmp_path)
    lake.land(1)
    run_bronze(lake.config, run_id="without-a-jvm", max_files=1)

    silver = silver_that_fails(lake, NO_NUMBERS)
    data = printed_by(*SLUICE, *silver, exit_code=ExitCode.DATA)

    assert "sluice: [QUERY_FAILED]" in data
    assert "[CAST_INVALID_INPUT]" in data
    assert stacks(data) == set()
    assert "sluice --verbose" in data


@pytest.mark.long
def test_failure_before_the_query_prints_no_stack(tmp_path: Path) -> None:
    """Spark finds it as it plans; our message says all there is to say."""
    lake = Lake(tmp_path)
    lake.land(1)

    silver_that_fails(lake, UNKNOWN_COLUMN)
    usage = printed_by(*lake.command(), exit_code=ExitCode.USAGE)

    assert "sluice: [CONFIG_INVALID] silver 'windows': aggregate" in usage
    assert stacks(usage) == set()
    assert "sluice --verbose" not in usage


@pytest.mark.long
def test_stacks_are_printed_on_request_and_in_the_log_of_a_job(tmp_path: Path) -> None:
    """Airflow keeps the log of a job whole."""
    lake = Lake(tmp_path)
    lake.land(1)
    right = lake.file.read_text()
    job = [sys.executable, str(JOBS / "silver.py"), *lake.arguments("job")]
    both = ["run", str(lake.file), "--steps", "bronze,silver"]

    silver_that_fails(lake, UNKNOWN_COLUMN)
    usage = printed_by(*SLUICE, "--verbose", *both, exit_code=ExitCode.USAGE)
    lake.file.write_text(right)
    silver = silver_that_fails(lake, NO_NUMBERS)
    data = printed_by(*SLUICE, "--verbose", *silver, exit_code=ExitCode.DATA)
    by_job = printed_by(*job, exit_code=ExitCode.DATA)

    assert {"Python", "JSON"} <= stacks(usage)
    assert stacks(data) == {"Java", "Python", "JSON"}
    assert {"Java", "JSON"} <= stacks(by_job)
    assert "sluice --verbose" not in usage + data + by_job
