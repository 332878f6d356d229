"""Ledger and offsets name the version of their format; a newer one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import pytest
from deltalake import DeltaTable, Field
from deltalake.schema import PrimitiveType

from sluice import storage
from sluice.audit.run import audit_checkpoint, run_audit
from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.pending import PendingDeletion, PendingRepair
from sluice.config import PipelineConfig
from sluice.errors import Condition, FatalError
from sluice.history.batches import list_batches
from sluice.history.files import list_files
from sluice.ledger.compact import compact_ledger
from sluice.ledger.ledger import VERSION_KEY, Ledger
from sluice.paths import control_location
from sluice.preflight.plan import plan_run
from sluice.preflight.run import preflight
from sluice.repair.run import carry_out, plan_repair
from sluice.resources.delete import delete_pipeline
from sluice.versions import FORMAT_VERSION
from support.builders import PipelineBuilder, pipeline_config
from support.tree import contents

Opener = Callable[[PipelineConfig], object]
OPENERS: dict[str, Opener] = {
    "run": lambda config: preflight(config, run_id="run"),
    "plan": plan_run,
    "files": list_files,
    "batches": list_batches,
    "audit": run_audit,
    "audit of a checkpoint": lambda config: audit_checkpoint(
        config.bronze_checkpoint_location, config.bronze_location
    ),
    "checkpoint repair": plan_repair,
    "ledger": lambda config: Ledger.open(config.schema_location),
    "stream": lambda config: Ledger.open_or_create(config.schema_location),
}
OF_CHECKPOINTS_ONLY = {"audit of a checkpoint", "batches"}
OF_LEDGERS_ONLY = {"ledger", "stream"}


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline that has read one file, archived that, and landed another."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path / "lake"))
    pipeline.land("a.json")
    pipeline.run_batch()
    preflight(pipeline.config, run_id="archives")
    pipeline.land("b.json")
    return pipeline


def files_table(pipeline: PipelineBuilder) -> DeltaTable:
    """Return the ledger's table of files, which carries the version."""
    return DeltaTable(f"{pipeline.ledger.root}/files")


def make_newer(pipeline: PipelineBuilder) -> None:
    """Let the ledger be what a newer release left."""
    newer = {VERSION_KEY: str(FORMAT_VERSION + 1)}
    files_table(pipeline).alter.set_table_properties(newer, raise_if_not_exists=False)


def rewrite_offset(pipeline: PipelineBuilder, **keys: object) -> None:
    """Change the offset of the newest micro-batch; None takes a key away."""
    path = pipeline.bronze.location / "offsets" / "0"
    *head, offset = path.read_text().splitlines()
    wanted = {**json.loads(offset), **keys}
    kept = {name: value for name, value in wanted.items() if value is not None}
    path.write_text("\n".join([*head, json.dumps(kept)]))


def refusal(opener: Opener, config: PipelineConfig) -> FatalError:
    """Return what ``opener`` raises, and see that it has changed nothing."""
    before = contents(Path(config.lake).parent)
    with pytest.raises(FatalError) as caught:
        opener(config)
    assert contents(Path(config.lake).parent) == before
    return caught.value


@pytest.mark.parametrize("name", OPENERS.keys() - OF_CHECKPOINTS_ONLY)
def test_newer_ledger_is_refused_before_anything_is_written(
    pipeline: PipelineBuilder, name: str
) -> None:
    """Whatever its files mean, this release would lose or double some."""
    make_newer(pipeline)

    error = refusal(OPENERS[name], pipeline.config)

    assert error.condition is Condition.VERSION_TOO_NEW
    assert error.context == {"found": "2", "known": FORMAT_VERSION}
    assert pipeline.config.schema_location in error.message
    assert "executors" in error.message


def test_ledger_that_is_raised_meanwhile_is_refused_at_the_next_look(
    pipeline: PipelineBuilder,
) -> None:
    """A standing query of the release before may be running on another machine."""
    opened = pipeline.ledger
    make_newer(pipeline)

    error = refusal(lambda _: opened.snapshot(), pipeline.config)

    assert error.condition is Condition.VERSION_TOO_NEW


def test_newer_ledger_gets_no_tables_of_an_older_release(
    pipeline: PipelineBuilder,
) -> None:
    """Which tables it has is for the newer release to say."""
    make_newer(pipeline)
    rmtree(Path(pipeline.config.schema_location, "_ledger", "claims"))

    error = refusal(OPENERS["stream"], pipeline.config)

    assert error.condition is Condition.VERSION_TOO_NEW


@pytest.mark.parametrize("name", OPENERS.keys() - OF_LEDGERS_ONLY)
def test_newer_offset_is_refused_before_anything_is_written(
    pipeline: PipelineBuilder, name: str
) -> None:
    """A checkpoint may have been restored without its ledger; it is no damage."""
    rewrite_offset(pipeline, version=FORMAT_VERSION + 1)

    error = refusal(OPENERS[name], pipeline.config)

    assert error.condition is Condition.VERSION_TOO_NEW
    assert pipeline.config.bronze_checkpoint_location in error.message


def test_offset_without_a_version_is_of_the_first(pipeline: PipelineBuilder) -> None:
    """What was planned before offsets named one is gone on with."""
    rewrite_offset(pipeline, version=None)

    assert preflight(pipeline.config, run_id="goes on").new_files == 1


def test_offset_of_another_source_is_let_pass(
    pipeline: PipelineBuilder,
) -> None:
    """Delta's offsets have a version of their own."""
    rewrite_offset(pipeline, ledger=None, seq=None, version=99)

    assert read_checkpoint(pipeline.config.bronze_checkpoint_location) is not None


def test_version_of_a_ledger_survives_what_rewrites_it(
    tmp_path: Path,
) -> None:
    """Compaction and new columns make new versions of the table, not of the format."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    pipeline.land("a.json")
    pipeline.run_batch()

    assert compact_ledger(pipeline.ledger.root, above=0).keys() >= {"files"}
    later = Field("later", PrimitiveType("string"))
    files_table(pipeline).alter.add_columns(later)
    pipeline.land("b.json")
    pipeline.run_batch()

    found = files_table(pipeline).metadata().configuration
    assert found == {VERSION_KEY: str(FORMAT_VERSION)}
    assert pipeline.ledger.high_seq() == 2


def test_rebuilt_ledger_and_its_checkpoint_name_their_version(
    pipeline: PipelineBuilder,
) -> None:
    """What a repair writes is what a run writes."""
    rmtree(pipeline.config.schema_location)
    carry_out(pipeline.config, plan_repair(pipeline.config))

    checkpoint = read_checkpoint(pipeline.config.bronze_checkpoint_location)

    assert checkpoint is not None
    (offset,) = checkpoint.offsets[0].offsets
    ledger_id = pipeline.ledger.ledger_id
    assert json.loads(offset or "") == {"ledger": ledger_id, "seq": 1, "version": 1}
    found = files_table(pipeline).metadata().configuration
    assert found == {VERSION_KEY: str(FORMAT_VERSION)}


@pytest.mark.parametrize("name", ["run", "plan", "checkpoint repair"])
def test_repair_that_a_newer_release_began_is_left_to_it(
    pipeline: PipelineBuilder, name: str
) -> None:
    """Its steps may be others, and half of them may be done."""
    begun = json.dumps({"version": FORMAT_VERSION + 1, "steps": ["of its own"]})
    location = control_location(pipeline.config.bronze_checkpoint_location)
    storage.put(location, PendingRepair.key, begun.encode())

    error = refusal(OPENERS[name], pipeline.config)

    assert error.condition is Condition.VERSION_TOO_NEW
    assert "a repair" in error.message


def test_deletion_that_a_newer_release_began_is_left_to_it(
    pipeline: PipelineBuilder,
) -> None:
    """What it deletes was written down by the rules of that release."""
    begun = json.dumps({"version": FORMAT_VERSION + 1})
    location = control_location(pipeline.config.bronze_checkpoint_location)
    storage.put(location, PendingDeletion.key, begun.encode())

    for opener in (plan_run, lambda config: delete_pipeline(config, run_id="deletes")):
        error = refusal(opener, pipeline.config)
        assert error.condition is Condition.VERSION_TOO_NEW
