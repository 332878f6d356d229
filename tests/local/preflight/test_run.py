from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copytree, rmtree

import pytest
from deltalake import DeltaTable

from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.write import write_adopting
from sluice.errors import Condition, FatalError, UsageError
from sluice.preflight.plan import plan_run
from sluice.preflight.run import Preflight, preflight
from sluice.repair.run import carry_out, plan_repair
from support.builders import (
    START,
    CheckpointBuilder,
    PipelineBuilder,
    pipeline_config,
    window,
)


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline with nothing landed yet."""
    return PipelineBuilder(pipeline_config(tmp_path))


def check(pipeline: PipelineBuilder) -> Preflight:
    """Run the preflight of a later run."""
    return preflight(pipeline.config, run_id="run-2")


def refusal(pipeline: PipelineBuilder) -> FatalError:
    """Return the error with which the preflight refuses."""
    with pytest.raises(FatalError) as caught:
        check(pipeline)
    return caught.value


def test_first_run_finds_what_landed(pipeline: PipelineBuilder) -> None:
    """Before the first run there is nothing but the landing folder."""
    path = pipeline.land("a.json")

    found = check(pipeline)

    assert (found.new_files, found.new_bytes) == (1, Path(path).stat().st_size)
    assert found.bronze_has_work
    assert found.bronze_batch == -1


def test_asking_again_changes_nothing(pipeline: PipelineBuilder) -> None:
    """Airflow asks, then each job asks again."""
    pipeline.land("a.json")

    assert check(pipeline) == check(pipeline)
    assert pipeline.ledger.high_seq() == 1


def test_nothing_new_is_no_work(pipeline: PipelineBuilder) -> None:
    """A run that has nothing to do must not start a JVM."""
    pipeline.land("a.json")
    pipeline.run_batch()

    found = check(pipeline)

    assert (found.new_files, found.new_bytes, found.bronze_batch) == (0, 0, 0)
    assert not found.has_work


def test_only_what_is_new_counts(pipeline: PipelineBuilder) -> None:
    """Files of committed micro-batches are done, whatever their number."""
    pipeline.land("a.json")
    pipeline.run_batch()
    pipeline.land("b.json")

    assert check(pipeline).new_files == 1


@pytest.mark.parametrize("written", [True, False], ids=["after", "before"])
def test_batch_that_was_cut_off_is_work(
    pipeline: PipelineBuilder, written: bool
) -> None:
    """A driver killed before or after the Delta commit: the batch is repeated."""
    pipeline.land("a.json")
    pipeline.run_batch()
    pipeline.land("b.json")
    pipeline.run_batch(written=written, committed=False)

    found = check(pipeline)

    assert found.bronze_has_work
    assert (found.new_files, found.bronze_batch) == (1, 0)


def test_lost_checkpoint_and_ledger_are_refused(pipeline: PipelineBuilder) -> None:
    """A table of one commit, which is its version 0, has rows to double as well."""
    pipeline.land("a.json")
    pipeline.run_batch()
    rmtree(pipeline.config.bronze_checkpoint_location)
    rmtree(pipeline.config.schema_location)

    assert refusal(pipeline).condition is Condition.CHECKPOINT_LOST


def test_all_lost_is_a_new_start(pipeline: PipelineBuilder) -> None:
    """Without a table nothing can be doubled."""
    pipeline.land("a.json")
    pipeline.run_batch()
    rmtree(pipeline.config.bronze_checkpoint_location)
    rmtree(pipeline.config.bronze_location)

    assert check(pipeline).new_files == 1


def test_empty_table_made_beforehand_is_no_lost_checkpoint(
    pipeline: PipelineBuilder,
) -> None:
    """A first run that was killed between claim and offset log can be repeated."""
    pipeline.land("a.json")
    pipeline.discover()
    pipeline.write_rows([])
    pipeline.run_batch(written=False, committed=False)
    pipeline.bronze.remove("offsets/0")

    assert check(pipeline).bronze_has_work


def test_replaced_ledger_is_refused(pipeline: PipelineBuilder) -> None:
    """A ledger that was lost and rebuilt counts other files."""
    pipeline.land("a.json")
    pipeline.run_batch()
    expected = pipeline.ledger.ledger_id
    rmtree(pipeline.config.schema_location)

    lost = refusal(pipeline)
    rebuilt = pipeline.ledger.ledger_id
    replaced = refusal(pipeline)

    assert lost.condition is replaced.condition is Condition.LEDGER_MISMATCH
    assert lost.context == {"expected": expected, "found": None}
    assert replaced.context == {"expected": expected, "found": rebuilt}


def test_lost_ledger_is_not_rebuilt_in_passing(pipeline: PipelineBuilder) -> None:
    """The refusal leaves all as it was, for somebody to look at."""
    pipeline.land("a.json")
    pipeline.run_batch()
    rmtree(pipeline.config.schema_location)

    refusal(pipeline)

    assert not Path(pipeline.config.schema_location).exists()


def test_rewound_table_is_refused(pipeline: PipelineBuilder, tmp_path: Path) -> None:
    """The rows of its lost micro-batches would never be read again."""
    for name in ("a.json", "b.json"):
        pipeline.land(name)
        pipeline.run_batch()
        if name == "a.json":
            copytree(pipeline.config.bronze_location, tmp_path / "backup")
    rmtree(pipeline.config.bronze_location)
    (tmp_path / "backup").rename(pipeline.config.bronze_location)

    error = refusal(pipeline)

    assert error.condition is Condition.TABLE_REWOUND
    assert error.context == {"written": 0, "committed": 1}


def test_lost_table_is_refused(pipeline: PipelineBuilder) -> None:
    """A checkpoint without its table would fill a new one with only the rest."""
    pipeline.land("a.json")
    pipeline.run_batch()
    rmtree(pipeline.config.bronze_location)

    error = refusal(pipeline)

    assert error.condition is Condition.TABLE_REWOUND
    assert error.context == {"written": None, "committed": 0}


def test_rewound_checkpoint_goes_on(pipeline: PipelineBuilder) -> None:
    """Claims plan the very ranges again that its batch ids had; Delta skips them."""
    for name in ("a.json", "b.json"):
        pipeline.land(name)
        pipeline.run_batch()
    for key in ("offsets/1", "commits/1"):
        pipeline.bronze.remove(key)

    found = check(pipeline)

    assert (found.new_files, found.bronze_batch) == (1, 0)
    assert pipeline.ledger.claimed_end(1) == 2


@pytest.fixture
def old_ledger(pipeline: PipelineBuilder, tmp_path: Path) -> Path:
    """Return a backup of the ledger that knows one of the two files that were read."""
    pipeline.land("a.json")
    pipeline.run_batch()
    copytree(pipeline.config.schema_location, tmp_path / "backup")
    pipeline.land("b.json")
    pipeline.run_batch()
    return tmp_path / "backup"


@pytest.mark.parametrize("table", ["", "_ledger/files", "_ledger/claims"])
def test_ledger_back_from_an_older_backup_is_refused(
    pipeline: PipelineBuilder, old_ledger: Path, table: str
) -> None:
    """It would number files anew: one that was read comes again, a new one never."""
    current = Path(pipeline.config.schema_location, table)
    rmtree(current)
    copytree(old_ledger / table, current)

    error = refusal(pipeline)

    assert error.condition is Condition.LEDGER_REWOUND
    assert error.context["planned"] == 2
    assert pipeline.ledger.high_seq() == (2 if table == "_ledger/claims" else 1)


def test_checkpoint_and_ledger_back_without_the_table_are_refused(
    pipeline: PipelineBuilder, old_ledger: Path
) -> None:
    """They agree, but Delta would skip the next batch id, whatever files it held."""
    rmtree(pipeline.config.schema_location)
    copytree(old_ledger, pipeline.config.schema_location)
    for key in ("offsets/1", "commits/1"):
        pipeline.bronze.remove(key)

    error = refusal(pipeline)

    assert error.condition is Condition.LEDGER_REWOUND
    assert error.context == {"ahead": 1, "claimed": 0}


@pytest.mark.parametrize("left", [[], [0]], ids=["all", "newest"])
def test_lost_commit_log_does_not_hide_a_lost_table(
    pipeline: PipelineBuilder, left: list[int]
) -> None:
    """Spark repeats only the newest planned batch, whatever the commit log has lost."""
    for name in ("a.json", "b.json", "c.json"):
        pipeline.land(name)
        pipeline.run_batch()
    for batch in {0, 1, 2} - set(left):
        pipeline.bronze.remove(f"commits/{batch}")
    rmtree(pipeline.config.bronze_location)

    error = refusal(pipeline)

    assert error.condition is Condition.TABLE_REWOUND
    assert error.context == {"written": None, "committed": 1}


def test_checkpoint_of_another_source_is_refused(pipeline: PipelineBuilder) -> None:
    """Its offsets say nothing of our files."""
    pipeline.land("a.json")
    pipeline.bronze.plan(0, '{"reservoirVersion":1,"index":-1}')

    assert refusal(pipeline).condition is Condition.CHECKPOINT_UNREADABLE


def test_commit_without_its_offsets_is_refused(pipeline: PipelineBuilder) -> None:
    """How far the table was read is in the offsets and nowhere else."""
    for name in ("a.json", "b.json"):
        pipeline.land(name)
        pipeline.run_batch()
    pipeline.bronze.remove("offsets/1")

    error = refusal(pipeline)

    assert error.condition is Condition.CHECKPOINT_UNREADABLE
    assert error.context["missing"] == ["offsets/1"]


def test_missing_landing_folder_is_refused(pipeline: PipelineBuilder) -> None:
    """A wrong path must not look like an hour without files."""
    with pytest.raises(UsageError) as caught:
        check(pipeline)

    assert caught.value.condition is Condition.PATH_NOT_FOUND


def test_plan_tells_and_writes_nothing(tmp_path: Path) -> None:
    """A dry run leaves the lake as it found it."""
    options = {"cloudFiles.maxFilesPerTrigger": 2}
    pipeline = PipelineBuilder(
        pipeline_config(tmp_path, bronze={"source": {"options": options}})
    )
    for number in range(3):
        pipeline.land(f"{number}.json")
    before = sorted(tmp_path.rglob("*"))

    first = plan_run(pipeline.config)

    assert (first.files, first.batches, first.undiscovered) == (3, 2, 3)
    assert sorted(tmp_path.rglob("*")) == before
    pipeline.run_batch(up_to=2)
    pipeline.land("3.json")
    then = plan_run(pipeline.config)
    assert (then.files, then.batches, then.undiscovered) == (2, 1, 1)
    assert DeltaTable(pipeline.config.bronze_location).version() == 0


def test_plan_leaves_out_what_a_first_run_leaves_out(tmp_path: Path) -> None:
    """What is there at the first start is never read; what comes after it is."""
    options = {"cloudFiles.includeExistingFiles": False}
    pipeline = PipelineBuilder(
        pipeline_config(tmp_path, bronze={"source": {"options": options}})
    )
    pipeline.land("old.json")
    first = plan_run(pipeline.config)
    found = check(pipeline)
    pipeline.land("new.json")

    assert (first.files, first.batches, first.undiscovered) == (0, 0, 1)
    assert not found.bronze_has_work
    assert plan_run(pipeline.config).files == 1


def test_every_query_has_its_id_before_spark_starts(tmp_path: Path) -> None:
    """Two very first drivers then share one, whatever their storage lets Spark do."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path, silver=True))
    pipeline.land("a.json")
    check(pipeline)
    ids = [query_id(each) for each in (pipeline.bronze, pipeline.silver)]

    check(pipeline)

    assert ids == [query_id(each) for each in (pipeline.bronze, pipeline.silver)]
    assert len({*ids, None}) == 3


def query_id(checkpoint: CheckpointBuilder) -> str | None:
    """Return the query id of a checkpoint."""
    facts = read_checkpoint(str(checkpoint.location))
    return facts.query_id if facts else None


def test_repaired_checkpoint_needs_its_commit(pipeline: PipelineBuilder) -> None:
    """Spark would run its first micro-batch again, which is none."""
    pipeline.land("a.json")
    pipeline.run_batch()
    location = str(pipeline.bronze.location)
    write_adopting(
        location, pipeline.bronze.query_id, pipeline.offset(1), conf={}, at=START
    )
    (pipeline.bronze.location / "commits" / "0").unlink()

    assert refusal(pipeline).context["missing"] == ["commits/0"]


@pytest.fixture
def silver(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline whose silver has emitted windows in two micro-batches."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path, silver=True))
    pipeline.land("a.json")
    pipeline.run_batch()
    pipeline.run_silver_batch([window(0)])
    pipeline.run_silver_batch([window(5)])
    return pipeline


def test_silver_that_fits_is_let_pass(silver: PipelineBuilder) -> None:
    """Also where its newest batch was cut off after its Delta commit."""
    check(silver)
    silver.silver.remove("commits/1")

    check(silver)


def restore_bronze_whole(pipeline: PipelineBuilder, backup: Path) -> None:
    """Put table, checkpoint and ledger of bronze back from before silver's last run.

    The archive would tell it, too, as long as it is there.
    """
    config = pipeline.config
    rmtree(Path(config.lake, "ops"))
    for number, location in enumerate(bronze_locations(pipeline)):
        rmtree(location)
        copytree(backup / str(number), location)
    assert read_checkpoint(config.bronze_checkpoint_location) is not None


def bronze_locations(pipeline: PipelineBuilder) -> list[str]:
    """Return what of bronze fits together only if it is of one age."""
    config = pipeline.config
    checkpoint = config.bronze_checkpoint_location
    return [config.bronze_location, checkpoint, config.schema_location]


def lose_bronze_whole(pipeline: PipelineBuilder, _: Path) -> None:
    """Remove table, checkpoint and ledger of bronze, to start over."""
    for location in bronze_locations(pipeline):
        rmtree(location)


def replace_bronze_whole(pipeline: PipelineBuilder, backup: Path) -> None:
    """Start over without silver, up to a table of as many versions."""
    lose_bronze_whole(pipeline, backup)
    pipeline.run_batch()
    pipeline.land("c.json")
    pipeline.run_batch()


@pytest.mark.parametrize(
    ("damage", "evidence"),
    [
        (restore_bronze_whole, "is at version 0, and was read up to 1"),
        (lose_bronze_whole, "is gone"),
        (replace_bronze_whole, "is another table"),
    ],
)
def test_silver_that_has_read_another_bronze_is_refused(
    silver: PipelineBuilder,
    tmp_path: Path,
    damage: Callable[[PipelineBuilder, Path], None],
    evidence: str,
) -> None:
    """Its stream would pass over what bronze appends again, or read it twice."""
    for number, location in enumerate(bronze_locations(silver)):
        copytree(location, tmp_path / "backup" / str(number))
    silver.land("b.json")
    silver.run_batch()
    silver.run_silver_batch([window(10)])
    check(silver)

    damage(silver, tmp_path / "backup")
    error = refusal(silver)

    assert error.condition is Condition.TABLE_REWOUND
    assert evidence in error.message
    assert "sluice checkpoint repair orders" in error.message
    carry_out(silver.config, plan_repair(silver.config))
    assert check(silver).has_work
    assert not silver.silver.location.exists() or not list(
        silver.silver.location.glob("offsets/*")
    )


@pytest.fixture(params=["link", "moved"])
def elsewhere(
    pipeline: PipelineBuilder, tmp_path: Path, request: pytest.FixtureRequest
) -> PipelineBuilder:
    """Return a pipeline that has run, with its lake under another path."""
    pipeline.land("a.json")
    check(pipeline)
    pipeline.run_batch()
    lake, other = Path(pipeline.config.lake), tmp_path / "other"
    if request.param == "link":
        other.symlink_to(lake)
    else:
        copytree(lake, other, ignore=lambda *_: ["other"])
    return PipelineBuilder(pipeline_config(other))


def test_landing_folder_under_another_path_is_refused(
    elsewhere: PipelineBuilder, pipeline: PipelineBuilder
) -> None:
    """Every file in it would be new, and its rows come twice."""
    error = refusal(elsewhere)

    assert error.condition is Condition.LANDING_MOVED
    assert error.context == {
        "path": elsewhere.config.landing_location,
        "known": pipeline.config.landing_location,
    }
    with pytest.raises(FatalError, match="LANDING_MOVED"):
        plan_run(elsewhere.config)
    assert elsewhere.ledger.high_seq() == 1
    assert not check(pipeline).has_work
