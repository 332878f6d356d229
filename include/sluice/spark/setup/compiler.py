"""How Java sources become a jar: by Janino, the compiler that Spark ships."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyspark
from py4j.protocol import Py4JJavaError

from sluice.spark.setup.gateway import bare_gateway
from sluice.spark.setup.installation import installation_error

# The oldest date that a zip file can hold: one source gives one jar, byte by byte.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def compile_jar(
    sources: Sequence[Path],
    class_path: Sequence[Path],
    services: Mapping[str, Sequence[str]],
    jar: Path,
) -> None:
    """Compile ``sources`` against Spark's jars and ``class_path`` into ``jar``.

    ``services`` names by interface the classes that Java's ``ServiceLoader`` finds.
    No JDK is needed, for Spark compiles its own queries so. A reader sees the whole jar
    or none.
    """
    jar.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jar.parent, prefix=".compile-") as folder:
        classes, draft = Path(folder, "classes"), Path(folder, jar.name)
        with bare_gateway() as gateway:
            _compile(gateway, sources, [*class_path, *_spark_jars()], classes)
        _pack(classes, services, draft)
        draft.replace(jar)


def _compile(
    gateway: Any, sources: Sequence[Path], class_path: Sequence[Path], folder: Path
) -> None:
    """Write the classes of ``sources`` below ``folder``."""
    compiler = gateway.jvm.org.codehaus.janino.CompilerFactory().newCompiler()
    compiler.setClassPath(_files(gateway, class_path))
    compiler.setDestinationDirectory(gateway.jvm.java.io.File(str(folder)), False)  # noqa: FBT003
    try:
        compiler.compile(_files(gateway, sources))
    except Py4JJavaError as error:
        raise installation_error(
            f"Spark's compiler refuses {[each.name for each in sources]}: "
            f"{error.java_exception.getMessage()}; they belong to the Spark of this "
            "version of Sluice: run `make setup`",
            {"sources": [str(each) for each in sources]},
        ) from error


def _files(gateway: Any, paths: Sequence[Path]) -> Any:
    """Return ``paths`` as Java's array of files."""
    files = gateway.new_array(gateway.jvm.java.io.File, len(paths))
    for index, path in enumerate(paths):
        files[index] = gateway.jvm.java.io.File(str(path))
    return files


def _spark_jars() -> list[Path]:
    return sorted(Path(pyspark.__file__).with_name("jars").glob("*.jar"))


def _pack(classes: Path, services: Mapping[str, Sequence[str]], jar: Path) -> None:
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as archive:
        for interface, names in services.items():
            entry = zipfile.ZipInfo(f"META-INF/services/{interface}", _EPOCH)
            archive.writestr(entry, "".join(f"{name}\n" for name in names))
        for file in sorted(classes.rglob("*.class")):
            name = file.relative_to(classes).as_posix()
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), file.read_bytes())
