"""Java classes of our own: sources in this package, compiled by set-up into a jar."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyspark

from sluice.spark.setup.installation import installation_error
from sluice.spark.setup.jars import jars_folder, locked_jars


@dataclass(frozen=True)
class JavaClasses:
    """Some Java sources of ``sluice/spark``, the package ``sluice.<name>`` in Java."""

    name: str
    classes: tuple[str, ...]
    locks: tuple[Path, ...]
    """The locks of the jars that the classes are compiled against."""
    purpose: str
    """What goes wrong without them, for the error."""
    set_up: str
    """The command that compiles them."""
    services: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By interface the classes that Spark finds by it, without being configured."""

    @property
    def sources(self) -> list[Path]:
        """The Java sources."""
        folder = Path(__file__).parents[1]
        return [folder / f"{name}.java" for name in self.classes]

    @property
    def jar(self) -> Path:
        """Where the compiled classes belong: named by what they are made of."""
        parts = [source.read_bytes() for source in self.sources]
        parts += [
            jar.sha256.encode() for lock in self.locks for jar in locked_jars(lock)
        ]
        # The classes extend Spark's own, which may change with each release.
        parts += [pyspark.__version__.encode(), repr(dict(self.services)).encode()]
        digest = hashlib.sha256(b"\n".join(parts)).hexdigest()[:12]
        return jars_folder() / f"{self._stem}{digest}.jar"

    def require(self) -> Path:
        """Return the jar, or raise where set-up has not compiled it."""
        jar = self.jar
        if not jar.is_file():
            raise installation_error(
                f"jar {str(jar)!r} is missing: {self.purpose}; {self.set_up}, which "
                "compiles it",
                {"jars": [jar.name]},
            )
        return jar

    def older_jars(self) -> list[Path]:
        """Return the jars that were compiled from other sources."""
        jar = self.jar
        return sorted(set(jar.parent.glob(f"{self._stem}*.jar")) - {jar})

    @property
    def _stem(self) -> str:
        return f"sluice-{self.name}-"
