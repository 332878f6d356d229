"""The second half of set-up: jars, Java and Spark's configuration, in the new venv.

``python -m sluice.spark.setup.prepare s3`` adds what a lake on S3 needs.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyspark

from sluice.errors import ExitCode, SluiceError
from sluice.spark.s3 import S3_CLASSES, S3_LOCK, require_s3_jars, s3_settings
from sluice.spark.session import (
    SPARK_CLASS_PATH,
    conf_folder,
    properties_file,
    s3_properties_file,
    submit_conf,
    submit_environment,
)
from sluice.spark.session_jars import SESSION_CLASSES
from sluice.spark.setup.class_archive import class_archives, make_archives
from sluice.spark.setup.compiler import compile_jar
from sluice.spark.setup.installation import write_text_atomically
from sluice.spark.setup.ivy import fetch_with_ivy
from sluice.spark.setup.jars import (
    LOCK,
    install_jars,
    jars_folder,
    locked_jars,
    require_jars,
)
from sluice.spark.setup.java import java_home
from sluice.spark.setup.java_classes import JavaClasses
from sluice.spark.source import SOURCE_CLASSES
from sluice.spark.tuning import merge_settings, render_properties


def main() -> int:
    """Make this interpreter ready to run Spark without a network."""
    steps = _S3_STEPS if sys.argv[1:] == ["s3"] else _STEPS
    try:
        for title, work in steps.items():
            _step(title, work)
    except SluiceError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return ExitCode.DONE


def prepare_interpreter() -> str:
    """Give plain scripts this Python for Spark's workers, and our classes; say how.

    PySpark starts them with ``python3`` of the PATH unless a variable says otherwise,
    and in that Python's packages Spark would look for our format in vain. The classes
    come last on Spark's class path. A variable that is set already stays.

    Spark puts an archive of PySpark's sources and one of its jars before the packages
    of each process that it starts. They leave the path again, for the same PySpark is
    among the packages, and compiled: half of what the start of a process costs. What
    Python keeps of them goes as well: each worker would read them again before a task.
    """
    given = {SPARK_CLASS_PATH: repr(str(SOURCE_CLASSES.jar))}
    given["PYSPARK_PYTHON"] = "sys.executable"
    calls = [f"os.environ.setdefault({key!r}, {text})" for key, text in given.items()]
    spark = f"{Path(pyspark.__file__).parent}{os.sep}"
    calls.append(f"sys.path[:] = [e for e in sys.path if not e.startswith({spark!r})]")
    cache = "sys.path_importer_cache"
    calls.append(f"[{cache}.pop(e) for e in [*{cache}] if e.startswith({spark!r})]")
    line = f"import os, sys; {'; '.join(calls)}\n"
    file = Path(sysconfig.get_path("purelib")) / "sluice_workers.pth"
    write_text_atomically(file, line)
    return str(file)


def prepare_jars(lock: Path = LOCK) -> str:
    """Fetch the jars that are missing or changed and say how many."""
    fetched = install_jars(fetch_with_ivy, locked_jars(lock), jars_folder())
    return f"fetched {len(fetched)}" if fetched else "already there"


def prepare_classes(classes: JavaClasses) -> str:
    """Compile Java classes of our own unless they are there and say where."""
    jar = classes.jar
    if not jar.is_file():
        needed = [require_jars(lock, classes.set_up) for lock in classes.locks]
        class_path = [each for jars in needed for each in jars]
        compile_jar(classes.sources, class_path, classes.services, jar)
        for old in classes.older_jars():
            old.unlink()
    return str(jar)


def prepare_session_classes() -> str:
    """Compile the Java classes of every session and say where."""
    return ", ".join(map(prepare_classes, SESSION_CLASSES))


def prepare_s3_configuration() -> str:
    """Write what ``spark-submit`` reads for a lake on S3 and say where."""
    settings = merge_settings(submit_conf(), s3_settings(require_s3_jars(), {}))
    write_text_atomically(s3_properties_file(), render_properties(settings))
    return str(s3_properties_file())


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


_STEPS: Mapping[str, Callable[[], str]] = {
    "Python workers": prepare_interpreter,
    "Java": lambda: str(java_home()),
    "Delta jars": prepare_jars,
    "Java classes": prepare_session_classes,
    "Spark configuration": prepare_configuration,
    "Class archive": prepare_class_archive,
}
_S3_STEPS: Mapping[str, Callable[[], str]] = {
    "S3 jars": lambda: prepare_jars(S3_LOCK),
    "S3 classes": lambda: prepare_classes(S3_CLASSES),
    "Spark configuration for S3": prepare_s3_configuration,
}


if __name__ == "__main__":
    sys.exit(main())
