"""The second half of set-up: jars, Java and Spark's configuration, in the new venv."""

from __future__ import annotations

import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

from sluice.class_archive import class_archives, make_archives
from sluice.errors import ExitCode, SluiceError
from sluice.installation import write_text_atomically
from sluice.ivy import fetch_with_ivy
from sluice.jars import install_jars, jars_folder, locked_jars
from sluice.java import java_home
from sluice.session import (
    conf_folder,
    properties_file,
    submit_conf,
    submit_environment,
)
from sluice.tuning import render_properties


def main() -> int:
    """Make this interpreter ready to run Spark without a network."""
    try:
        _step("Python workers", prepare_interpreter)
        _step("Java", lambda: str(java_home()))
        _step("Delta jars", prepare_jars)
        _step("Spark configuration", prepare_configuration)
        _step("Class archive", prepare_class_archive)
    except SluiceError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return ExitCode.DONE


def prepare_interpreter() -> str:
    """Let plain scripts start Spark's workers with this Python and say how.

    PySpark starts them with ``python3`` of the PATH unless a variable says otherwise,
    and in that Python's packages Spark would look for our format in vain.
    """
    line = 'import os, sys; os.environ.setdefault("PYSPARK_PYTHON", sys.executable)\n'
    file = Path(sysconfig.get_path("purelib")) / "sluice_workers.pth"
    write_text_atomically(file, line)
    return str(file)


def prepare_jars() -> str:
    """Fetch the jars that are missing or changed and say which."""
    fetched = install_jars(fetch_with_ivy, locked_jars(), jars_folder())
    return f"fetched {', '.join(fetched)}" if fetched else "already there"


def prepare_configuration() -> str:
    """Write what ``spark-submit`` reads and say where."""
    write_text_atomically(properties_file(), render_properties(submit_conf()))
    own_java = f'export JAVA_HOME="{java_home()}"\n'
    write_text_atomically(conf_folder() / "spark-env.sh", own_java)
    return str(conf_folder())


def prepare_class_archive() -> str:
    """Make the archive of loaded classes unless it is there."""
    if not class_archives():
        problem = make_archives(properties_file(), submit_environment())
        if problem:
            return f"not made, Spark starts slower without it: {problem}"
        prepare_configuration()
    return ", ".join(map(str, class_archives()))


def _step(title: str, work: Callable[[], str]) -> None:
    """Run one step and print its outcome and its time."""
    started = time.monotonic()
    outcome = work()
    print(f"{title}: {outcome} ({time.monotonic() - started:.1f} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
