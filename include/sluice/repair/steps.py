"""The steps of a repair, each of which may be cut off and taken again.

What is replaced is moved aside under a name of its own, never deleted. A step that is
taken twice, or was cut off half-way, leaves what it leaves when it is taken once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from functools import partial

from deltalake import CommitProperties, PostCommitHookProperties, Transaction

from sluice import storage
from sluice.checkpoint.pending import PendingRepair
from sluice.checkpoint.write import FIRST_BATCH, write_adopting, write_query_id
from sluice.config import PipelineConfig
from sluice.delta.log import open_table
from sluice.errors import Condition, FatalError
from sluice.history import archive_history
from sluice.ledger.damage import ledger_root
from sluice.repair.facts import REBUILT, open_old, read_remains, require_ledger
from sluice.repair.rebuild import make_ledger, rebuild_ledger
from sluice.versions import ledger_offset

_LOG = logging.getLogger(__name__)
# Spark looks after the checkpoints and the log of its tables.
_NO_HOOKS = PostCommitHookProperties(
    create_checkpoint=False, cleanup_expired_logs=False
)

Step = tuple[str, Callable[[], None]]


def list_steps(config: PipelineConfig, repair: PendingRepair) -> list[Step]:
    """Return the steps of ``repair`` by name, in the order in which they are taken."""
    return [
        ("archive the history", partial(archive, config)),
        *(_ledger_steps(config, repair) if repair.old_ledger else ()),
        *_silver_steps(config, repair),
        *(_bronze_steps(config, repair) if repair.end is not None else ()),
    ]


def archive(config: PipelineConfig) -> None:
    """Keep what the old checkpoints hold, as far as they can be read."""
    try:
        archive_history(config)
    except FatalError as error:
        _LOG.warning("the history could not be archived whole: %s", error)


def _ledger_steps(config: PipelineConfig, repair: PendingRepair) -> Iterator[Step]:
    root = ledger_root(config.schema_location)
    yield _move(root, repair)
    yield f"make ledger {root}", partial(_make_ledger, config, repair)


def _silver_steps(config: PipelineConfig, repair: PendingRepair) -> Iterator[Step]:
    for silver in config.streamed:
        if silver.name in repair.silver:
            # Without checkpoint and with rows a table is refused, so this comes first.
            yield _move(config.silver_checkpoint_location(silver), repair)
            location = config.silver_location(silver)
            yield f"empty table {location}", partial(_empty_table, location, repair)


def _bronze_steps(config: PipelineConfig, repair: PendingRepair) -> Iterator[Step]:
    location = config.bronze_checkpoint_location
    yield move_bronze(config, repair)
    yield f"write checkpoint {location}", partial(_write_bronze, config, repair)
    table = config.bronze_location
    yield f"add transaction to {table}", partial(_add_transaction, table, repair)


def move_bronze(config: PipelineConfig, repair: PendingRepair) -> Step:
    """Return the step after which the place of bronze's checkpoint is free."""
    return _move(config.bronze_checkpoint_location, repair)


def _move(location: str, repair: PendingRepair) -> Step:
    target = location + repair.suffix
    return f"move {location} to {target}", partial(storage.move, location, target)


def _make_ledger(config: PipelineConfig, repair: PendingRepair) -> None:
    old = open_old(str(repair.old_ledger))
    rows = read_remains(config).rows
    rebuilt = rebuild_ledger(config, rows, old, repair.missing)
    if len(rebuilt.files) != repair.end:
        raise FatalError(
            Condition.REPAIR_IMPOSSIBLE,
            f"table {config.bronze_location!r} has changed while it was repaired: the "
            f"ledger was to begin with {repair.end} files, now there are "
            f"{len(rebuilt.files)}; stop every query that writes to it, and run "
            f"'{repair.command}' again",
            {"expected": repair.end, "found": len(rebuilt.files)},
        )
    make_ledger(config, rebuilt, run_id=f"{REBUILT}{repair.query_id}")


def _empty_table(location: str, repair: PendingRepair) -> None:
    """Delete all rows in one commit, which a RESTORE takes back if need be."""
    table = open_table(location)
    if table is None or not table.file_uris():
        return
    table.delete(
        commit_properties=CommitProperties(custom_metadata=_described(repair)),
        post_commithook_properties=_NO_HOOKS,
    )


def _write_bronze(config: PipelineConfig, repair: PendingRepair) -> None:
    location, ledger = config.bronze_checkpoint_location, require_ledger(config)
    if open_table(config.bronze_location) is None:
        # Nothing can hold its transaction: the first micro-batch makes the table.
        write_query_id(location, repair.query_id)
        return
    offset = json.dumps(ledger_offset(ledger.ledger_id, repair.end or 0))
    write_adopting(
        location, repair.query_id, offset, conf=repair.conf, at=repair.begun_at
    )


def _add_transaction(location: str, repair: PendingRepair) -> None:
    """Let the table know the new query's first micro-batch, which adds nothing."""
    table = open_table(location)
    if table is None or table.transaction_version(repair.query_id) is not None:
        return
    transaction = Transaction(repair.query_id, FIRST_BATCH)
    table.create_write_transaction(
        actions=[],
        mode="append",
        schema=table.schema(),
        partition_by=table.metadata().partition_columns,
        commit_properties=CommitProperties(
            app_transactions=[transaction], custom_metadata=_described(repair)
        ),
        post_commithook_properties=_NO_HOOKS,
    )


def _described(repair: PendingRepair) -> dict[str, str]:
    """Return the commit's user metadata: which repair it belongs to."""
    metadata = {
        "step": "repair",
        "query_id": repair.query_id,
        "command": repair.command,
    }
    return {"userMetadata": json.dumps(metadata)}
