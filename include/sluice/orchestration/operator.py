"""Submit a job to Spark and turn its exit code into what Airflow should do next."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
)

from sluice.control.processes import Mark, end_marked
from sluice.control.submitter import submitter_environment
from sluice.errors import ExitCode
from sluice.orchestration.environment import withheld

CONNECTION_EXAMPLE = '{"conn_type": "spark", "host": "local[*]"}'

# Less than the 5 seconds after which Airflow's supervisor kills the task itself.
_GRACE_SECONDS = 3.0
_CONDITION = re.compile(r"\[[A-Z][A-Z0-9_]{3,}(\.[A-Z0-9_]+)*\] ")
_TRACEBACK = "Traceback (most recent call last):"
_KEPT_CHARACTERS = 2_000


class SluiceSubmitHook(SparkSubmitHook):
    """A spark-submit that needs a real connection and ends with all that it started."""

    def __init__(
        self, *, env_vars: Mapping[str, str] | None = None, **kwargs: Any
    ) -> None:
        self._mark = Mark.new("SLUICE_SUBMIT")
        super().__init__(**kwargs)
        # Imported here because a Dag file that is parsed must not import pyspark.
        from sluice.spark.session import properties_file, submit_environment  # noqa: PLC0415

        environment = submit_environment(self._connection["master"])
        # On another machine a driver has nothing of this environment.
        is_here = not (self._is_kubernetes or self._is_yarn)
        self._env_vars = {
            **(withheld(os.environ) if is_here else {}),
            **environment,
            **(env_vars or {}),
            **self._mark.as_environment(),
            **submitter_environment(_submitters()),
        }
        self._properties_file = str(properties_file())
        if self.spark_binary in (None, "spark-submit"):
            # The one of this interpreter's pyspark, whatever PATH says.
            binary = Path(environment["SPARK_HOME"], "bin", "spark-submit")
            self._connection["spark_binary"] = str(binary)
        self.first_error: str | None = None

    @property
    def exit_code(self) -> int | None:
        """The exit code of spark-submit, or None where it has none yet."""
        return self._submit_sp.returncode if self._submit_sp else None

    @property
    def last_line(self) -> str:
        """The last line that spark-submit wrote."""
        lines = [line for line in self._last_submit_log_lines if line.strip()]
        return lines[-1] if lines else "spark-submit wrote nothing"

    def end(self) -> list[int]:
        """End JVM, Python driver and workers; return the ids of those still alive.

        Killing the JVM alone, as the provider does, leaves the driver under init.
        """
        return end_marked(self._mark, grace_seconds=_GRACE_SECONDS)

    def close(self) -> None:
        """End what is still alive and give back the pipe to it."""
        self.end()
        if self._submit_sp:
            self._submit_sp.stdout.close()

    def on_kill(self) -> None:
        """End what runs here, then what runs on a cluster."""
        self.end()
        super().on_kill()

    def _resolve_connection(self) -> dict[str, Any]:
        resolved = super()._resolve_connection()
        if "yarn" in resolved["master"]:
            raise AirflowFailException(_no_master(self._conn_id))
        return resolved

    def _process_spark_submit_log(self, itr: Iterator[Any]) -> None:
        super()._process_spark_submit_log(self._watched(itr))

    def _watched(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            self.first_error = next_error(self.first_error, line)
            yield line


class SluiceSubmitOperator(SparkSubmitOperator):
    """Run one file of ``jobs/`` through spark-submit.

    ``options`` become ``--name value`` in this order, after rendering; one that renders
    to nothing or to ``None`` is left out. Spark is set up for the ``locations`` that
    the job reads and writes. Exit codes: see :func:`require_done`.
    """

    template_fields = (*SparkSubmitOperator.template_fields, "options")

    def __init__(
        self,
        *,
        options: Mapping[str, str],
        locations: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.options = dict(options)
        self.locations = list(locations)

    def execute(self, context: Context) -> None:
        """Submit, wait, and leave no process behind, whatever ends the wait."""
        hook = self._hook = self._get_hook()
        try:
            super().execute(context)
        except AirflowException as error:
            require_done(hook.exit_code, hook.first_error or hook.last_line, error)
        finally:
            hook.close()

    def on_kill(self) -> None:
        """End the submit; before it there is nothing to end."""
        if self._hook is not None:
            self._hook.on_kill()

    def _get_hook(self) -> SluiceSubmitHook:
        # Imported here because a Dag file that is parsed must not import pyspark.
        from sluice.spark.session import storage_conf  # noqa: PLC0415

        return SluiceSubmitHook(
            conf={**(self.conf or {}), **storage_conf(self.locations)},
            conn_id=self._conn_id,
            name=self.name,
            env_vars=self.env_vars,
            spark_binary=self._spark_binary,
            application_args=command_arguments(self.options),
        )


def _submitters() -> list[int]:
    """Return the processes that wait for a submit; without them it has no reader.

    Where Airflow has put the task into a process of its own, that is also the worker
    which supervises it: the task alone does not notice that its supervisor was killed.
    """
    # A Dag file that is parsed need not know how tasks are run.
    from airflow.sdk.execution_time import task_runner  # noqa: PLC0415
    from airflow.sdk.execution_time.comms import CommsDecoder  # noqa: PLC0415

    comms = getattr(task_runner, "SUPERVISOR_COMMS", None)
    supervised = isinstance(comms, CommsDecoder)
    return [os.getpid(), *([os.getppid()] if supervised else [])]


def next_error(error: str | None, line: str) -> str | None:
    """Return the first error of a log, given that of the lines before ``line``.

    One that is a Python traceback is completed by the line that names the exception.
    """
    if error is None:
        found = _CONDITION.search(line)
        return line[found.start() :].strip()[:_KEPT_CHARACTERS] if found else None
    if error.endswith(_TRACEBACK) and line.strip() and not line[0].isspace():
        return f"{error.removesuffix(_TRACEBACK)}{line.strip()}"[:_KEPT_CHARACTERS]
    return error


def command_arguments(options: Mapping[str, object]) -> list[str]:
    """Return ``options`` as text for a command line, without those that are unset."""
    given = [(name, str(value)) for name, value in options.items()]
    set_ones = [(name, value) for name, value in given if value not in ("", "None")]
    return [text for pair in set_ones for text in pair]


def require_done(
    exit_code: int | None, message: str, submit_error: AirflowException
) -> None:
    """Raise what Airflow should do about a spark-submit that did not end well.

    99 skips the task; 64 and 65 fail it for good, since the same call would fail again;
    75, a signal and anything unknown are tried again.
    """
    match exit_code:
        case None:
            raise submit_error
        case ExitCode.NOTHING_NEW:
            raise AirflowSkipException("nothing new: the job had nothing to do")
        case ExitCode.USAGE | ExitCode.DATA:
            raise AirflowFailException(message) from submit_error
        case ExitCode.TEMPORARY:
            raise AirflowException(f"to be tried again: {message}") from submit_error
        case _:
            raise AirflowException(
                f"the job ended with exit code {exit_code}: {message}"
            ) from submit_error


def _no_master(conn_id: str) -> str:
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    return (
        f"Spark connection {conn_id!r} is missing, unreadable or names YARN, which is "
        f"what the Spark provider falls back to; set {variable} to "
        f"{CONNECTION_EXAMPLE!r} or to the master of your cluster"
    )
