"""A submit: its command line, its exit codes, and that nothing of it outlives it."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
)

from sluice.orchestration.operator import (
    CONNECTION_EXAMPLE,
    SluiceSubmitOperator,
    command_arguments,
)

RETRIED = "retried"


@pytest.fixture(autouse=True)
def _connection(monkeypatch):
    """Give every test the connection of the embedded Spark."""
    monkeypatch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", CONNECTION_EXAMPLE)


def script(path: Path, body: str) -> Path:
    """Write an executable Python program."""
    path.write_text(f"#!{sys.executable}\n{textwrap.dedent(body)}")
    path.chmod(0o755)
    return path


def submit(binary: Path | None, application: Path | str = "job.py", **options: str):
    """Return an operator; without ``binary`` it calls the real spark-submit."""
    return SluiceSubmitOperator(
        task_id="step",
        application=str(application),
        options=options,
        spark_binary=str(binary) if binary else None,
    )


def outcome(error: BaseException) -> object:
    """Return what Airflow does after ``error``."""
    final = isinstance(error, AirflowSkipException | AirflowFailException)
    return type(error) if final else RETRIED


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (64, AirflowFailException),
        (65, AirflowFailException),
        (75, RETRIED),
        (99, AirflowSkipException),
        (1, RETRIED),
        (137, RETRIED),
    ],
)
def test_exit_codes_decide_what_airflow_does(tmp_path, code, expected):
    """What fails the same way again is not tried again; nothing new is a skip."""
    operator = submit(script(tmp_path / "submit", f"raise SystemExit({code})"))
    with pytest.raises(AirflowException) as raised:
        operator.execute({})
    assert outcome(raised.value) == expected


def test_exit_code_0_is_success(tmp_path):
    """Nothing is raised, and the process is gone."""
    submit(script(tmp_path / "submit", "raise SystemExit(0)")).execute({})


def test_a_submit_that_dies_by_a_signal_is_tried_again(tmp_path):
    """The out-of-memory killer is no verdict on the data."""
    binary = script(tmp_path / "submit", "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(AirflowException, match="exit code -9") as raised:
        submit(binary).execute({})
    assert outcome(raised.value) == RETRIED


def test_the_error_is_the_first_one_that_the_job_reported(tmp_path):
    """What follows the first error is mostly its echo."""
    body = """
    print("INFO starts")
    print("ERROR [CHECKPOINT_REWOUND] the checkpoint was rewound; restore it")
    print("ERROR [QUERY_FAILED] stopped")
    raise SystemExit(65)
    """
    with pytest.raises(AirflowFailException) as raised:
        submit(script(tmp_path / "submit", body)).execute({})
    assert str(raised.value) == (
        "[CHECKPOINT_REWOUND] the checkpoint was rewound; restore it"
    )


def test_a_traceback_in_the_error_gives_way_to_its_exception(tmp_path):
    """Spark writes the traceback of a Python worker into its own message."""
    body = """
    print("[PYTHON_ERROR] The source failed: Traceback (most recent call last):")
    print("  File 'ledger.py', line 1, in claims")
    print("NameError: name 'read_table' is not defined")
    print("something else")
    raise SystemExit(65)
    """
    with pytest.raises(AirflowFailException) as raised:
        submit(script(tmp_path / "submit", body)).execute({})
    assert str(raised.value) == (
        "[PYTHON_ERROR] The source failed: NameError: name 'read_table' is not defined"
    )


def test_a_submit_without_a_condition_shows_its_last_line(tmp_path):
    """An exit code alone explains nothing."""
    binary = script(tmp_path / "submit", "raise SystemExit('no space left on device')")
    with pytest.raises(AirflowException, match="no space left on device"):
        submit(binary).execute({})


def test_options_become_text_without_those_that_are_unset():
    """Popen refuses numbers, and a job takes an absent option for its default."""
    options = {"--run-id": "a", "--max-files": 5, "--trigger": "", "--from": None}
    assert command_arguments(options) == ["--run-id", "a", "--max-files", "5"]


def test_command_line_reaches_spark_submit(tmp_path):
    """Master, application and options arrive as they were given."""
    given = tmp_path / "given"
    body = f"import sys; open({str(given)!r}, 'w').write('\\n'.join(sys.argv[1:]))"
    binary = script(tmp_path / "submit", body)
    submit(binary, "bronze.py", **{"--pipeline": "my orders"}).execute({})
    arguments = given.read_text().splitlines()
    assert arguments[:2] == ["--master", "local[*]"]
    assert arguments[-3:] == ["bronze.py", "--pipeline", "my orders"]


def test_job_sees_no_secret_of_airflow(tmp_path, monkeypatch):
    """What signs tokens and opens the database is for Airflow's own processes."""
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "hunter2")
    given = tmp_path / "given"
    body = f"import os; open({str(given)!r}, 'w').write(repr(dict(os.environ)))"
    submit(script(tmp_path / "submit", body)).execute({})
    assert "hunter2" not in given.read_text()
    assert "JAVA_HOME" in given.read_text()


def test_spark_is_set_up_for_the_locations(tmp_path, monkeypatch):
    """A job on S3 needs its jars when the JVM starts, and later is too late."""
    given = {"spark.jars": "/s3.jar"}
    conf = {("s3://b/lake",): given}
    monkeypatch.setattr(
        "sluice.spark.session.storage_conf", lambda each: conf[tuple(each)]
    )
    given = tmp_path / "given"
    body = f"import sys; open({str(given)!r}, 'w').write('\\n'.join(sys.argv[1:]))"
    operator = submit(script(tmp_path / "submit", body))
    operator.locations = ["s3://b/lake"]
    operator.execute({})
    assert "spark.jars=/s3.jar" in given.read_text().splitlines()


@pytest.mark.parametrize("connection", [None, "spark://local[*]", "yarn://"])
def test_a_submit_never_falls_back_to_yarn(tmp_path, monkeypatch, connection):
    """The provider does, silently, where a connection is missing or unreadable."""
    binary = script(tmp_path / "submit", "raise SystemExit(0)")
    if connection is None:
        monkeypatch.delenv("AIRFLOW_CONN_SPARK_DEFAULT")
    else:
        monkeypatch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", connection)
    with pytest.raises(AirflowFailException, match="set AIRFLOW_CONN_SPARK_DEFAULT"):
        submit(binary).execute({})


STUBBORN = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path({ready!r}).write_text(str(os.getpid()))
print("driver is up", flush=True)
time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    """Return True if a process runs; one that only waits for its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for(path: Path) -> int:
    """Return the process id that a program writes to ``path`` once it is up."""
    deadline = time.monotonic() + 60
    while not (path.is_file() and path.read_text()):
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)
    return int(path.read_text())


def run_in_thread(operator: SluiceSubmitOperator) -> threading.Thread:
    """Execute a task that is going to be killed."""

    def execute() -> None:
        with pytest.raises(AirflowException):
            operator.execute({})

    thread = threading.Thread(target=execute)
    thread.start()
    return thread


@pytest.mark.needs_java
def test_on_kill_ends_the_python_driver_of_a_real_submit(tmp_path):
    """Killing the JVM alone, as the provider does, leaves the driver under init."""
    ready = tmp_path / "driver"
    job = script(tmp_path / "job.py", STUBBORN.format(ready=str(ready)))
    operator = submit(None, job)
    thread = run_in_thread(operator)
    driver = wait_for(ready)
    assert is_alive(driver)
    operator.on_kill()
    thread.join(10)
    assert not thread.is_alive()
    assert not is_alive(driver)


def test_a_driver_whose_submit_is_gone_is_ended_too(tmp_path):
    """It belongs to init then, and no tree of processes leads to it."""
    ready = tmp_path / "driver"
    driver_file = script(tmp_path / "driver.py", STUBBORN.format(ready=str(ready)))
    body = f"""
    import os, subprocess, time
    silent = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.Popen([{str(driver_file)!r}], **silent)
    open({str(tmp_path / "submit.pid")!r}, "w").write(str(os.getpid()))
    time.sleep(600)
    """
    thread = run_in_thread(submit(script(tmp_path / "submit", body)))
    driver = wait_for(ready)
    os.kill(wait_for(tmp_path / "submit.pid"), signal.SIGKILL)
    thread.join(10)
    assert not thread.is_alive()
    assert not is_alive(driver)


def test_on_kill_before_the_submit_does_nothing():
    """Airflow may kill a task that has not come to its submit."""
    submit(None).on_kill()
