"""Find out who else in the lake reads a landing folder.

Pipelines are known by their files, plain streams by their ledgers below the lake's
schemas. Readers of other lakes are not found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from sluice import storage
from sluice.config import PipelineConfig, list_pipelines, load_pipeline
from sluice.discovery.listing import selection_of
from sluice.ledger.ledger import Ledger
from sluice.options.configured import source_options
from sluice.options.incremental import is_below
from sluice.paths import is_local, join, normalize


def find_other_reader(config: PipelineConfig) -> str | None:
    """Say who else reads the landing folder, or one above or below it, if anyone does.

    The same is found of the folder that files are moved to: they would be read again.

    Raises:
        UsageError: a pipeline file cannot be read.
        FatalError: a ledger cannot be read.
    """
    options = source_options(config)
    folders = [*_roots(config), *filter(None, [options.move_destination])]
    pipelines = [load_pipeline(str(path)) for path in list_pipelines()]
    others = [each for each in pipelines if each.name != config.name]
    found = [
        *(_pipeline_reads(other, folder) for other in others for folder in folders),
        *_ledgers(config, others, folders),
    ]
    return next(filter(None, found), None)


def _pipeline_reads(other: PipelineConfig, folder: str) -> str | None:
    for root in _roots(other):
        mine, theirs = _resolved(folder), _resolved(root)
        if is_below(mine, theirs) or is_below(theirs, mine):
            return f"pipeline {other.name!r} reads {root!r}, so files of {folder!r} too"
    return None


def _ledgers(
    config: PipelineConfig, others: list[PipelineConfig], folders: list[str]
) -> Iterator[str]:
    """Yield the ledgers of no pipeline that hold files of ``folders``."""
    known = {each.schema_location for each in [config, *others]}
    for location in sorted(_schema_locations(config) - known):
        ledger = Ledger.open(location)
        if ledger is None:
            continue
        snapshot = ledger.snapshot()
        for folder in dict.fromkeys([*folders, *map(_resolved, folders)]):
            if snapshot.last_path(folder):
                yield (
                    f"ledger {ledger.root!r} holds files of {folder!r}: a stream reads "
                    "them too; if it no longer does, move that ledger away"
                )


def _schema_locations(config: PipelineConfig) -> set[str]:
    """Return the schema locations of the lake, and those beside the pipeline's own."""
    beside = config.schema_location.rpartition("/")[0]
    return {
        join(root, name)
        for root in {join(normalize(config.lake), "schemas"), beside}
        for name in storage.list_names(root)
    }


def _roots(config: PipelineConfig) -> tuple[str, ...]:
    return selection_of(source_options(config)).roots


def _resolved(location: str) -> str:
    return os.path.realpath(location) if is_local(location) else location
