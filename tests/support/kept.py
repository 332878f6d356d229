"""A lake that is built once and put back for each test: paths in it are absolute."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree, rmtree
from tempfile import mkdtemp

from support.builders import PipelineBuilder


class Kept:
    """A pipeline that was built, and a copy of its lake."""

    def __init__(self, pipeline: PipelineBuilder) -> None:
        """Copy the lake as it is."""
        self._config = pipeline.config
        self._lake = Path(pipeline.config.lake)
        beside = mkdtemp(dir=self._lake.parent)
        self._copy = copytree(self._lake, beside, dirs_exist_ok=True)

    def put_back(self) -> PipelineBuilder:
        """Return the pipeline as it was built, whatever a test did to its lake."""
        rmtree(self._lake, ignore_errors=True)
        copytree(self._copy, self._lake)
        return PipelineBuilder(self._config)
