"""A damaged ledger is refused by name, whichever of its files it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake.exceptions import DeltaError, TableNotFoundError

from sluice.errors import Condition, FatalError
from sluice.history.files import list_files
from sluice.ledger.damage import damage_named, find_damage
from sluice.ledger.ledger import Ledger
from sluice.preflight.plan import plan_run
from sluice.preflight.run import preflight
from support.builders import PipelineBuilder, pipeline_config
from support.kept import Kept


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Return a pipeline that has run twice."""
    lake = tmp_path_factory.mktemp("damage") / "lake"
    pipeline = PipelineBuilder(pipeline_config(lake))
    for name in "ab":
        pipeline.land(f"{name}.json")
        pipeline.run_batch()
    return Kept(pipeline)


@pytest.fixture
def pipeline(built: Kept) -> PipelineBuilder:
    """Return the pipeline as it was built."""
    return built.put_back()


def newest_commit(table: Path) -> Path:
    """Return the last commit of a table."""
    return max((table / "_delta_log").glob("*.json"))


def tear_commit(table: Path) -> Path:
    """Cut off a table's last commit."""
    path = newest_commit(table)
    path.write_bytes(path.read_bytes()[:-20])
    return path


def lose_commit(table: Path) -> Path:
    """Lose a commit in the middle of a table's log."""
    path = sorted((table / "_delta_log").glob("*.json"))[1]
    path.unlink()
    return path


def lose_first_commit(table: Path) -> Path:
    """Lose the commit that made a table."""
    path = min((table / "_delta_log").glob("*.json"))
    path.unlink()
    return path


def lose_data(table: Path) -> Path:
    """Lose a data file of a table."""
    path = min(table.glob("*.parquet"))
    path.unlink()
    return path


def tear_data(table: Path) -> Path:
    """Cut off a data file of a table."""
    path = min(table.glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-20])
    return path


DAMAGES = [tear_commit, lose_commit, lose_first_commit, lose_data, tear_data]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("table", ["files", "claims"])
def test_damaged_file_is_named(
    pipeline: PipelineBuilder, table: str, damage: Callable[[Path], Path]
) -> None:
    """A user with a backup need only know which file to take from it."""
    path = damage(Path(pipeline.ledger.root, table))
    found = find_damage(pipeline.config.schema_location + "/_ledger")
    assert found is not None
    assert f"{str(path)!r}" in found


@pytest.mark.parametrize(
    ("table", "damage"),
    [("claims", tear_commit), ("files", tear_commit), ("files", tear_data)],
)
@pytest.mark.parametrize(
    "use",
    [lambda config: preflight(config, run_id="run"), plan_run, list_files],
    ids=["preflight", "plan", "files"],
)
def test_damage_is_no_traceback(
    pipeline: PipelineBuilder,
    table: str,
    damage: Callable[[Path], Path],
    use: Callable[..., object],
) -> None:
    """What delta-rs says names neither the file nor what to do."""
    path = damage(Path(pipeline.ledger.root, table))
    with pytest.raises(FatalError) as caught:
        use(pipeline.config)
    assert caught.value.condition is Condition.LEDGER_UNREADABLE
    assert str(path) in caught.value.message
    assert "sluice checkpoint repair" in caught.value.message


def test_ledger_that_is_whole_has_no_damage(pipeline: PipelineBuilder) -> None:
    """A false word of damage would have a good ledger replaced."""
    assert find_damage(pipeline.ledger.root) is None


@pytest.mark.parametrize(
    "error", [DeltaError("other"), TableNotFoundError("x"), OSError("disk")]
)
def test_other_errors_stay_what_they_are(
    pipeline: PipelineBuilder, error: Exception
) -> None:
    """A full disk or a dropped connection is not mended by a backup."""
    with pytest.raises(type(error)) as caught, damage_named(pipeline.ledger.root):
        raise error
    assert caught.value is error


def test_stream_is_refused_too(pipeline: PipelineBuilder) -> None:
    """A plain ``readStream`` has no preflight: the ledger itself says it."""
    path = tear_commit(Path(pipeline.config.schema_location, "_ledger", "claims"))
    with pytest.raises(FatalError) as caught:
        Ledger.open_or_create(pipeline.config.schema_location)
    assert str(path) in caught.value.message
