"""A folder for ``spark-pipelines``: an example, and the settings that its runs need."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from sluice.errors import Condition, UsageError
from sluice.spark.session import submit_conf
from sluice.spark.setup.installation import write_text_atomically
from sluice.spark.setup.java import java_home
from sluice.spark.tuning import (
    catalog_settings,
    local_settings,
    merge_settings,
    render_properties,
)

EXAMPLE = Path(__file__).with_name("example")
SPECIFICATION = "spark-pipeline.yml"
_OTHER_SPECIFICATION = "spark-pipeline.yaml"
_JAVA = "export JAVA_HOME="
# Paths stand in Python, SQL, YAML, a URI and the URL of a database.
_PLAIN = re.compile(r"[\w/.~+@-]+", re.ASCII)


@dataclass(frozen=True)
class Project:
    """A folder with a specification, and its settings beside it."""

    folder: Path

    @property
    def specification(self) -> Path:
        """What ``spark-pipelines run --spec`` takes, of either name."""
        other = self.folder / _OTHER_SPECIFICATION
        return other if other.exists() else self.folder / SPECIFICATION

    @property
    def settings(self) -> Path:
        """What ``SPARK_CONF_DIR`` has to name."""
        return self.folder / "conf"


def write_project(folder: Path) -> Project:
    """Write the settings of the project in ``folder``, and the example if it is new.

    Settings name the jars of this installation: write them again after an upgrade.
    What a project has is left as it is.

    Raises:
        UsageError: the folder's path has characters that some file could not hold.
        FatalError: the installation is not whole.
    """
    project = Project(folder.absolute())
    _require_plain(project.folder)
    # The catalog's log is the first file there, and makes no folder.
    (project.folder / "lake").mkdir(parents=True, exist_ok=True)
    if not project.specification.exists():
        _write_example(project.folder)
    _write_settings(project)
    return project


def _write_settings(project: Project) -> None:
    """Write what belongs to this installation, and leave lines of others."""
    variables = project.settings / "spark-env.sh"
    others = [line for line in _lines(variables) if not line.startswith(_JAVA)]
    text = "\n".join([f'{_JAVA}"{java_home()}"', *others, ""])
    write_text_atomically(variables, text)
    defaults = project.settings / "spark-defaults.conf"
    own = project_settings(project.folder)
    others = [line for line in _lines(defaults) if not set(line.split()[:1]) & set(own)]
    text = "\n".join([render_properties(own).rstrip(), *others, ""])
    write_text_atomically(defaults, text)


def _lines(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines() if file.exists() else []


def project_settings(folder: Path) -> dict[str, str]:
    """Return the settings of a run on this machine, with a catalog that stays."""
    own = {**submit_conf(), **local_settings()}
    return merge_settings(own, catalog_settings(folder / "lake"))


def _write_example(folder: Path) -> None:
    for file in sorted(EXAMPLE.rglob("*.*")):
        target = folder / file.relative_to(EXAMPLE)
        # The specification comes last of all: with it a project is one.
        if file.name != SPECIFICATION and not target.exists():
            write_text_atomically(target, _filled(file, folder))
    write_text_atomically(
        folder / SPECIFICATION, _filled(EXAMPLE / SPECIFICATION, folder)
    )


def _filled(file: Path, folder: Path) -> str:
    return Template(file.read_text("utf-8")).substitute(folder=folder)


def _require_plain(folder: Path) -> None:
    if not _PLAIN.fullmatch(str(folder)):
        raise UsageError(
            Condition.PATH_NOT_FOUND,
            f"folder {str(folder)!r}: expected a path of ASCII letters, digits and "
            "'/._~+@-' alone, for it stands in Python, SQL and URLs; choose another",
            {"path": str(folder)},
        )
