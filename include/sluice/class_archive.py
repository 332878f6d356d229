"""The archive of loaded classes that saves each JVM half of its start-up."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

import pyspark

from sluice.installation import share_folder
from sluice.jars import locked_jars
from sluice.java import spark_java

# spark-submit puts the folder of its script on the path, where our own modules would
# hide Python's.
_TRAINING = "import sys; from sluice.class_training import main; main(sys.argv[1])\n"


def archive_path() -> Path:
    """Return where the archive of this Java, this Spark and these jars belongs.

    The name holds all three, so one that was made for others is never offered.
    """
    parts = [spark_java().release, pyspark.__version__, pyspark.__file__]
    parts += [jar.sha256 for jar in locked_jars()]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    return share_folder() / f"classes-{digest}.jsa"


def class_archive() -> Path | None:
    """Return the archive to start Spark with, if set-up made one."""
    path = archive_path()
    return path if path.is_file() else None


def make_archive(properties: Path, environment: dict[str, str]) -> str | None:
    """Run the training job and keep the classes it loaded; return what went wrong.

    Spark runs without the archive too, only slower, so a failure stops nothing.
    """
    target = archive_path()
    with tempfile.TemporaryDirectory(dir=share_folder(), prefix=".train-") as draft:
        made, script = Path(draft, "classes.jsa"), Path(draft, "train.py")
        script.write_text(_TRAINING, encoding="utf-8")
        outcome = subprocess.run(
            _training_command(properties, made, script),
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if outcome.returncode or not made.is_file():
            return outcome.stdout.decode(errors="replace")[-2000:] or "no output"
        made.replace(target)
    for other in set(share_folder().glob("classes-*.jsa")) - {target}:
        other.unlink(missing_ok=True)
    return None


def _training_command(properties: Path, archive: Path, script: Path) -> list[str]:
    """Return the command that runs ``script`` and writes the classes to ``archive``."""
    options = f"-XX:ArchiveClassesAtExit={archive} -Xlog:cds=off -Xlog:cds+dynamic=off"
    return [
        str(Path(pyspark.__file__).parent / "bin" / "spark-submit"),
        *("--master", "local[2]", "--properties-file", str(properties)),
        *("--conf", f"spark.driver.defaultJavaOptions={options}"),
        *(str(script), str(script.parent)),
    ]
