"""A pipeline among the readers of its landing folder: it registers, and it cleans.

What its jobs remove is proven by its tables. Pipelines that have a file and never ran
count as readers too, though no folder names them yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from sluice.config import PipelineConfig, list_pipelines, load_pipeline
from sluice.errors import Condition, FatalError, UsageError
from sluice.history import record_step
from sluice.model import StepSummary
from sluice.source.clean.consumers import (
    Owner,
    Reader,
    describe_consumers,
    is_registered,
    read_consumer,
    register,
)
from sluice.source.clean.options import CleanMode
from sluice.source.clean.run import Cleaning, clean_source
from sluice.source.configured import source_options
from sluice.source.ledger import Ledger
from sluice.source.listing import is_below

STEP = "clean"


def require_same_name(config: PipelineConfig, ledger: Ledger | None) -> None:
    """Refuse a landing folder that the same ledger knows under another path.

    The folder itself tells: a moved or copied lake, a link, another mount. Files are
    known by their paths, so each would be new, and its rows come twice.

    Raises:
        FatalError: it was registered under another path.
    """
    options = source_options(config)
    if ledger is None:
        return
    for consumer in describe_consumers(options, ledger):
        known = read_consumer(consumer)
        if known is not None and known.root != consumer.root:
            raise FatalError(
                Condition.LANDING_MOVED,
                f"landing folder {consumer.root!r} was read as {known.root!r} until "
                f"now, and the ledger of pipeline {config.name!r} knows its files by "
                "that path: under another one each would be read once more; let a link "
                "or a mount give it the old path, and have 'bronze.source.path' (or "
                "the lake, if the folder lies in it) name that one",
                {"path": consumer.root, "known": known.root},
            )


def register_pipeline(config: PipelineConfig, ledger: Ledger) -> None:
    """Let whoever cleans the landing folder know that this pipeline reads it.

    Called before each listing of the folder; again changes nothing.

    Raises:
        FatalError: the folder cannot be written to and is to be cleaned.
    """
    options = source_options(config)
    for consumer in describe_consumers(options, ledger, _owner(config)):
        register(consumer, options.clean_source)


def clean_landing(config: PipelineConfig, *, run_id: str) -> StepSummary | None:
    """Move or delete the landed files that everybody has, as ``cleanSource`` says.

    Kept as the step ``clean`` of the run. None where there was nothing to do.

    Raises:
        FatalError: the pipeline's ledger is damaged.
    """
    started = datetime.now(UTC)
    options = source_options(config)
    ledger = Ledger.open(config.schema_location)
    if ledger is None:
        return None
    cleaning = options.clean_source is not CleanMode.OFF
    done = clean_source(
        Cleaning(
            me=Reader(describe_consumers(options, ledger, _owner(config))[0], ledger),
            options=options,
            run_id=run_id,
            now=started,
            blocked_by=next(_unregistered(config), None) if cleaning else None,
        )
    )
    if not done.counts:
        return None
    counts = {f"files_{outcome}": count for outcome, count in done.counts.items()}
    summary = StepSummary(STEP, run_id, counts, done.notes)
    record_step(config, summary, started=started, finished=datetime.now(UTC))
    return summary


def _owner(config: PipelineConfig) -> Owner:
    ops, _, _ = config.ops_location("batches").rpartition("/")
    return Owner(config.name, config.bronze_location, ops)


def _unregistered(config: PipelineConfig) -> Iterator[str]:
    """Yield why a pipeline that has a file may yet want what lies in the folder."""
    for path in list_pipelines():
        try:
            other = load_pipeline(str(path))
            known = _is_known(other)
        except (UsageError, FatalError) as error:
            yield f"pipeline file {str(path)!r} or its ledger cannot be read: {error}"
            continue
        if other.name != config.name and _meet(config, other) and not known:
            yield (
                f"pipeline {other.name!r} reads {other.landing_location!r} and has not "
                f"run yet; run it, or remove {str(path)!r}"
            )


def _meet(config: PipelineConfig, other: PipelineConfig) -> bool:
    mine, theirs = config.landing_location, other.landing_location
    return is_below(mine, theirs) or is_below(theirs, mine)


def _is_known(config: PipelineConfig) -> bool:
    ledger = Ledger.open(config.schema_location)
    if ledger is None:
        return False
    return all(map(is_registered, describe_consumers(source_options(config), ledger)))
