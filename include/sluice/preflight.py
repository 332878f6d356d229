"""Before Spark starts: discover what is new, refuse what would lose or duplicate.

The cheap part of the audit, in plain Python. Delta's sink skips any batch id at or
below the last one it saw of a query, whatever files the batch holds; so a checkpoint, a
ledger and a table that do not belong together must be refused before anything is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sluice.checkpoint import CheckpointFacts, read_checkpoint
from sluice.config import PipelineConfig, SilverConfig
from sluice.deltalog import latest_transaction, open_table, read_commits
from sluice.errors import Condition, FatalError
from sluice.history import archive_history
from sluice.source.discover import list_landed
from sluice.source.ledger import Ledger
from sluice.source.options import CloudFilesOptions, parse_options


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What a run would find to do; ``bronze_batch`` is the last one bronze committed.

    ``bronze_batch`` is -1 before the first.
    """

    new_files: int
    new_bytes: int
    bronze_has_work: bool
    silver_has_work: bool
    bronze_batch: int = -1

    @property
    def has_work(self) -> bool:
        """Tell whether any step has something to do."""
        return self.bronze_has_work or self.silver_has_work


def preflight(config: PipelineConfig, *, run_id: str) -> Preflight:
    """Discover new files into the ledger and tell which steps have work.

    Reads the checkpoints and the tables' logs, starts no JVM, and may be called as
    often as one likes.

    Raises:
        FatalError: checkpoint, ledger and table do not belong together.
        UsageError: the landing folder or the options of the source are wrong.
    """
    checkpoint = read_checkpoint(config.bronze_checkpoint_location)
    ledger = Ledger.open(config.schema_location)
    require_consistent(config, checkpoint, ledger)
    ledger = ledger or Ledger.open_or_create(config.schema_location)
    ledger.append(list_landed(source_options(config)), run_id=run_id)
    waiting = ledger.files(after=read_up_to(checkpoint))
    unfinished = checkpoint is not None and checkpoint.uncommitted is not None
    archive_history(config)
    return Preflight(
        new_files=len(waiting),
        new_bytes=sum(file.size for file in waiting),
        bronze_has_work=bool(waiting) or unfinished,
        silver_has_work=any(_silver_has_work(config, each) for each in config.silver),
        bronze_batch=_last_committed(checkpoint),
    )


def require_consistent(
    config: PipelineConfig, checkpoint: CheckpointFacts | None, ledger: Ledger | None
) -> None:
    """Refuse a checkpoint that does not belong to its ledger or its table.

    Raises:
        FatalError: what does not fit, and how to mend it.
    """
    if checkpoint is None or not checkpoint.offsets:
        _require_unread(config, ledger)
        return
    ledger = _require_ledger(checkpoint, ledger, config)
    written = _require_table(checkpoint, config)
    _require_claims(checkpoint, ledger, written)


def source_options(config: PipelineConfig) -> CloudFilesOptions:
    """Return the options of the pipeline's source as the source itself parses them."""
    source = config.bronze.source
    return parse_options(
        {
            **source.options,
            "path": config.landing_location,
            "cloudFiles.format": source.format,
            "cloudFiles.schemaLocation": config.schema_location,
        }
    )


def _require_unread(config: PipelineConfig, ledger: Ledger | None) -> None:
    """Without a checkpoint all files are read again: right only for an unused table."""
    table = open_table(config.bronze_location)
    claims = ledger.claims() if ledger else []
    if table is None or not table.file_uris():
        return
    location = config.bronze_checkpoint_location
    began = read_checkpoint(location)
    if began is not None and began.offsets:
        # Another driver has since made both, the offsets before the rows.
        return
    raise FatalError(
        Condition.CHECKPOINT_LOST,
        f"checkpoint {location!r} is absent, but table {config.bronze_location!r} is "
        f"at version {table.version()} and {len(claims)} micro-batches were planned: "
        "reading from the start would write every row twice; restore the checkpoint "
        "from backup, or remove table, checkpoint and schema folder to start over",
        {"checkpoint": location, "table": config.bronze_location},
    )


def _require_ledger(
    checkpoint: CheckpointFacts, ledger: Ledger | None, config: PipelineConfig
) -> Ledger:
    newest = _newest_offset(checkpoint)
    if ledger is None or newest["ledger"] != ledger.ledger_id:
        expected, found = newest["ledger"], ledger.ledger_id if ledger else None
        raise FatalError(
            Condition.LEDGER_MISMATCH,
            f"checkpoint {checkpoint.location!r} was written with ledger {expected}, "
            f"and under {config.schema_location!r} is {found or 'none'}: going on "
            "would pass over new files or read old ones again; restore the ledger from "
            "backup",
            {"expected": expected, "found": found},
        )
    planned, claimed = int(str(newest["seq"])), ledger.claimed_up_to()
    discovered = ledger.high_seq()
    if not planned <= claimed <= discovered:
        raise _ledger_rewound(
            ledger,
            f"has {discovered} files and claims up to seq {claimed}, but checkpoint "
            f"{checkpoint.location!r} has planned up to seq {planned}",
            {"planned": planned, "claimed": claimed, "discovered": discovered},
        )
    return ledger


def _require_table(checkpoint: CheckpointFacts, config: PipelineConfig) -> int:
    """Return the newest batch of this query that the table has, -1 before the first."""
    if checkpoint.query_id is None:
        return -1
    # Spark plans a batch once the one before is in the table, and repeats only the
    # newest: files that the commit log has lost since do not bring others back.
    done = max(_last_committed(checkpoint), max(checkpoint.offsets) - 1)
    written = latest_transaction(config.bronze_location, checkpoint.query_id)
    if done > (-1 if written is None else written):
        raise FatalError(
            Condition.TABLE_REWOUND,
            f"table {config.bronze_location!r} has micro-batches up to {written} of "
            f"query {checkpoint.query_id}, but its checkpoint "
            f"{checkpoint.location!r} finished {done}: rows of the batches "
            "between are missing and would stay so; restore the table, or set it and "
            "the checkpoint back to one backup",
            {"written": written, "committed": done},
        )
    return -1 if written is None else written


def _require_claims(checkpoint: CheckpointFacts, ledger: Ledger, written: int) -> None:
    """A checkpoint that was set back must find the claims of the batches ahead of it.

    Each batch has one claim. Without it the batch would be planned anew, with other
    files, and Delta would skip it.
    """
    ahead = written - max(checkpoint.offsets)
    if ahead <= 0:
        return
    planned = int(str(_newest_offset(checkpoint)["seq"]))
    claimed = sum(claim.range.start >= planned for claim in ledger.claims())
    if claimed < ahead:
        raise _ledger_rewound(
            ledger,
            f"has claims of {claimed} micro-batches after seq {planned}, but the table "
            f"has {ahead} that checkpoint {checkpoint.location!r} does not know",
            {"ahead": ahead, "claimed": claimed},
        )


def _ledger_rewound(
    ledger: Ledger, evidence: str, context: Mapping[str, object]
) -> FatalError:
    return FatalError(
        Condition.LEDGER_REWOUND,
        f"ledger {ledger.root!r} {evidence}: it is older than what was read, would "
        "number files anew, and some would be lost and some doubled; restore a newer "
        "backup of it, or checkpoint, ledger and table from one",
        context,
    )


def read_up_to(checkpoint: CheckpointFacts | None) -> int:
    """Return the seq up to which the files are in committed micro-batches."""
    committed = _last_committed(checkpoint)
    if checkpoint is None or committed < 0:
        return 0
    if committed not in checkpoint.offsets:
        raise FatalError(
            Condition.CHECKPOINT_UNREADABLE,
            f"checkpoint {checkpoint.location!r} committed micro-batch {committed}, "
            "but its offsets are not there; restore that file from a backup",
            {"checkpoint": checkpoint.location, "batch": committed},
        )
    return int(json.loads(checkpoint.offsets[committed].offsets[0] or "{}")["seq"])


def _newest_offset(checkpoint: CheckpointFacts) -> dict[str, object]:
    newest = checkpoint.offsets[max(checkpoint.offsets)].offsets[0]
    found: dict[str, object] = json.loads(newest or "{}")
    if "ledger" not in found:
        raise FatalError(
            Condition.CHECKPOINT_UNREADABLE,
            f"checkpoint {checkpoint.location!r} is not of a cloudFiles query: its "
            f"newest offset is {newest!r}; name another checkpoint location",
            {"checkpoint": checkpoint.location},
        )
    return found


def _last_committed(checkpoint: CheckpointFacts | None) -> int:
    if checkpoint is None or checkpoint.last_committed is None:
        return -1
    return checkpoint.last_committed


def _silver_has_work(config: PipelineConfig, silver: SilverConfig) -> bool:
    checkpoint = read_checkpoint(config.silver_checkpoint_location(silver))
    if checkpoint is None or not checkpoint.commits:
        return open_table(config.bronze_location) is not None
    if checkpoint.uncommitted is not None:
        return True
    if not checkpoint.offsets:
        raise FatalError(
            Condition.CHECKPOINT_UNREADABLE,
            f"checkpoint {checkpoint.location!r} has commits and no offsets: files of "
            "it are missing; restore it from backup",
            {"checkpoint": checkpoint.location},
        )
    return _bronze_has_rows(config, checkpoint, max(checkpoint.offsets))


def _bronze_has_rows(
    config: PipelineConfig, checkpoint: CheckpointFacts, batch: int
) -> bool:
    """Tell whether bronze has appended rows that no planned batch of silver has read.

    Delta's offset names the version to read next, and the last file of it read. Windows
    that a crash left to be closed are no work: Spark closes them with the next rows.
    """
    offset = json.loads(checkpoint.offsets[batch].offsets[0] or "{}")
    version, index = int(offset["reservoirVersion"]), int(offset["index"])
    commits = read_commits(config.bronze_location, after=version - 1)
    # Silver passes over commits that remove rows (`skipChangeCommits`).
    return any(
        commit.data_change
        and not commit.removed
        and len(commit.added) > (index + 1 if commit.version == version else 0)
        for commit in commits
    )
