"""The commits in which an undo of a schema put values back into the rescued data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sluice.delta.log import TableCommit, read_commits

if TYPE_CHECKING:
    from sluice.config import PipelineConfig

STEP = "undo"


def commit_metadata(config: PipelineConfig, run_id: str) -> str:
    """Return the user metadata of an undo's commit, by which it is found again."""
    return json.dumps({"step": STEP, "pipeline": config.name, "run_id": run_id})


def find_commit(
    config: PipelineConfig, run_id: str, *, after: int
) -> TableCommit | None:
    """Return the commit of bronze that an undo made, if it did."""
    metadata = commit_metadata(config, run_id)
    commits = read_commits(config.bronze_location, after=after)
    return next((each for each in commits if each.user_metadata == metadata), None)
