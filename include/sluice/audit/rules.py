"""Every finding an audit can make: how much it matters, what it means, the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sluice.model import DataRisk, Finding, Severity


class Code(StrEnum):
    """The stable names of findings; texts may change, these may not."""

    BATCH_UNFINISHED = "BATCH_UNFINISHED"
    CHECKPOINT_AHEAD = "CHECKPOINT_AHEAD"
    CHECKPOINT_LOST = "CHECKPOINT_LOST"
    CHECKPOINT_REWOUND = "CHECKPOINT_REWOUND"
    CHECKPOINT_UNREADABLE = "CHECKPOINT_UNREADABLE"
    CLAIMS_LOST = "CLAIMS_LOST"
    COLUMN_MISSING = "COLUMN_MISSING"
    COMMIT_MISSING = "COMMIT_MISSING"
    FILES_WAITING = "FILES_WAITING"
    FILE_CHANGED = "FILE_CHANGED"
    FILE_NOT_COUNTED = "FILE_NOT_COUNTED"
    FILE_QUARANTINED = "FILE_QUARANTINED"
    FILE_REPLACED = "FILE_REPLACED"
    HISTORY_INCOMPLETE = "HISTORY_INCOMPLETE"
    KEY_DUPLICATED = "KEY_DUPLICATED"
    LANDING_MISSING = "LANDING_MISSING"
    LEDGER_BEHIND = "LEDGER_BEHIND"
    LEDGER_FILE_GONE = "LEDGER_FILE_GONE"
    LEDGER_LOST = "LEDGER_LOST"
    LEDGER_MISMATCH = "LEDGER_MISMATCH"
    LEDGER_PATH_DUPLICATED = "LEDGER_PATH_DUPLICATED"
    LEDGER_UNREADABLE = "LEDGER_UNREADABLE"
    METADATA_MISSING = "METADATA_MISSING"
    NOTHING_YET = "NOTHING_YET"
    NOT_IN_LEDGER = "NOT_IN_LEDGER"
    OFFSETS_CHANGED = "OFFSETS_CHANGED"
    OFFSETS_MISSING = "OFFSETS_MISSING"
    RANGE_GAP = "RANGE_GAP"
    RANGE_OVERLAP = "RANGE_OVERLAP"
    RANGE_START = "RANGE_START"
    ROWS_DELETED = "ROWS_DELETED"
    ROWS_DUPLICATED = "ROWS_DUPLICATED"
    ROWS_MISSING = "ROWS_MISSING"
    ROWS_UNEXPECTED = "ROWS_UNEXPECTED"
    SILVER_REWOUND = "SILVER_REWOUND"
    TABLE_FILE_UNKNOWN = "TABLE_FILE_UNKNOWN"
    TABLE_REWOUND = "TABLE_REWOUND"
    TABLE_UNREADABLE = "TABLE_UNREADABLE"
    TRANSACTION_MISSING = "TRANSACTION_MISSING"
    WINDOW_DUPLICATED = "WINDOW_DUPLICATED"


@dataclass(frozen=True)
class Rule:
    """What holds for every finding of one code; the remedy is a template."""

    severity: Severity
    explanation: str
    remedy: str
    data_risk: DataRisk = DataRisk.NONE


_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
_LOST, _TWICE = DataRisk.LOST, DataRisk.DUPLICATED

_RUN = "sluice run {pipeline}"
_REPLAY = "sluice replay {pipeline} --files {subject}"
_RESTORE = "docs/runbook.md, 'Restore a pipeline from backup': {pipeline}"
REPAIR = "sluice checkpoint repair {pipeline}"
"""The command that makes a new checkpoint from what the tables hold."""
REBUILD = "sluice ledger rebuild {pipeline}"
"""The command that makes a new ledger from what table and archive hold."""
_BATCHES = "sluice batches {pipeline}"
_FILES = "sluice files {pipeline}"

RULES: dict[Code, Rule] = {
    Code.BATCH_UNFINISHED: Rule(
        _INFO,
        "Spark planned this micro-batch and has not committed it: it is running, or "
        "was cut off, and the next run repeats it with the same files.",
        _RUN,
    ),
    Code.CHECKPOINT_AHEAD: Rule(
        _ERROR,
        "The commit log has a micro-batch that the offset log does not: the checkpoint "
        "was restored in part.",
        REPAIR,
    ),
    Code.CHECKPOINT_LOST: Rule(
        _ERROR,
        "There are rows and no checkpoint: a run would read every file again.",
        REPAIR,
        _TWICE,
    ),
    Code.CHECKPOINT_REWOUND: Rule(
        _WARNING,
        "The table has micro-batches of this query that its checkpoint does not know: "
        "the checkpoint is older. The claims give the repeated batches the same files, "
        "and the table passes over them.",
        _RUN,
    ),
    Code.CHECKPOINT_UNREADABLE: Rule(
        _ERROR,
        "Files of the checkpoint are damaged, so the query cannot start.",
        REPAIR,
    ),
    Code.CLAIMS_LOST: Rule(
        _ERROR,
        "The ledger's table of planned micro-batches is gone: two drivers could plan "
        "different files under one batch id.",
        REBUILD,
        _LOST,
    ),
    Code.COLUMN_MISSING: Rule(
        _WARNING,
        "A column that the check needs is not in the table, so it was not made.",
        "correct 'bronze.unique_key' in the file of pipeline {pipeline}",
    ),
    Code.COMMIT_MISSING: Rule(
        _ERROR,
        "The micro-batch is over, but its file in the commit log is not there.",
        REPAIR,
    ),
    Code.FILES_WAITING: Rule(
        _INFO, "These files are not in the table yet; the next run reads them.", _RUN
    ),
    Code.FILE_CHANGED: Rule(
        _WARNING,
        "The file is not the one that was discovered: it was written again, or was not "
        "complete. Its rows in the table are those of its earlier content.",
        _REPLAY,
    ),
    Code.FILE_NOT_COUNTED: Rule(
        _WARNING,
        "The file cannot be read, so its rows in the table could not be compared.",
        _FILES,
    ),
    Code.FILE_QUARANTINED: Rule(
        _WARNING,
        "The file does not hold what its format says and was left out of the table.",
        _REPLAY,
        _LOST,
    ),
    Code.FILE_REPLACED: Rule(
        _INFO,
        "The file was written over before this version was read: what it held never "
        "came into the table. Its newer version has a row of its own in the ledger.",
        _FILES,
    ),
    Code.HISTORY_INCOMPLETE: Rule(
        _WARNING,
        "The first micro-batches are neither in the checkpoint nor in the archive, so "
        "their ranges cannot be checked; the files and rows are.",
        _BATCHES,
    ),
    Code.KEY_DUPLICATED: Rule(
        _INFO,
        "Values of the unique key come more than once. Bronze keeps what landed; a "
        "file read twice would show as ROWS_DUPLICATED.",
        _FILES,
    ),
    Code.LANDING_MISSING: Rule(
        _ERROR,
        "The landing folder is not there, so nothing can arrive.",
        "mkdir -p {subject}",
    ),
    Code.LEDGER_BEHIND: Rule(
        _ERROR,
        "The checkpoint has read files that the ledger does not have: the ledger is "
        "older, and new files would get numbers that count as read.",
        REBUILD,
        _LOST,
    ),
    Code.LEDGER_FILE_GONE: Rule(
        _WARNING,
        "The file was read and is no longer in the landing folder: its rows are in the "
        "table, but can neither be compared nor read again.",
        _FILES,
    ),
    Code.LEDGER_LOST: Rule(
        _ERROR,
        "There is a checkpoint or a table and no ledger: nothing tells which files "
        "were read.",
        REBUILD,
        _TWICE,
    ),
    Code.LEDGER_MISMATCH: Rule(
        _ERROR,
        "The checkpoint was written with another ledger, so its numbers mean other "
        "files.",
        REBUILD,
        _LOST,
    ),
    Code.LEDGER_PATH_DUPLICATED: Rule(
        _ERROR,
        "The ledger has the path more than once, so its rows are read more than once.",
        _REPLAY,
        _TWICE,
    ),
    Code.LEDGER_UNREADABLE: Rule(
        _ERROR,
        "The ledger cannot be read: a file of its tables is damaged or gone.",
        REBUILD,
    ),
    Code.METADATA_MISSING: Rule(
        _ERROR,
        "The checkpoint's file 'metadata' with the query id is gone: under a new id "
        "the table would take micro-batches again that it has.",
        REPAIR,
        _TWICE,
    ),
    Code.NOTHING_YET: Rule(_INFO, "The pipeline has not run yet.", _RUN),
    Code.NOT_IN_LEDGER: Rule(
        _ERROR,
        "The file landed before the last discovery and is not in the ledger.",
        _RUN,
        _LOST,
    ),
    Code.OFFSETS_CHANGED: Rule(
        _ERROR,
        "The checkpoint says another end of the micro-batch than when it was archived.",
        REPAIR,
    ),
    Code.OFFSETS_MISSING: Rule(
        _ERROR,
        "Files in the middle of the offset log are gone, so the ranges of these "
        "micro-batches are not known, and Spark may refuse to start.",
        REPAIR,
    ),
    Code.RANGE_GAP: Rule(
        _ERROR,
        "The micro-batch ended before the next one began: no batch read the files "
        "between.",
        REPAIR,
        _LOST,
    ),
    Code.RANGE_OVERLAP: Rule(
        _ERROR,
        "The next micro-batch begins before this one ended: two batches hold the same "
        "files.",
        REPAIR,
        _TWICE,
    ),
    Code.RANGE_START: Rule(
        _ERROR,
        "The first micro-batch does not begin at the first file.",
        REBUILD,
        _LOST,
    ),
    Code.ROWS_DELETED: Rule(
        _INFO,
        "All rows of these files were written, and somebody has deleted some of them "
        "since. If that was a mistake, a replay of the files brings them back.",
        "sluice replay {pipeline} --files GLOB",
    ),
    Code.ROWS_DUPLICATED: Rule(
        _ERROR,
        "The table has more rows of the file than the file has records.",
        _REPLAY,
        _TWICE,
    ),
    Code.ROWS_MISSING: Rule(
        _ERROR,
        "The table has fewer rows of the file than the file has records.",
        _REPLAY,
        _LOST,
    ),
    Code.ROWS_UNEXPECTED: Rule(
        _ERROR,
        "The table has rows of a file that no finished micro-batch read: the batch "
        "that reads it would write them again.",
        _REPLAY,
        _TWICE,
    ),
    Code.SILVER_REWOUND: Rule(
        _ERROR,
        "The table has micro-batches of this query that its checkpoint does not know: "
        "the checkpoint is older. Under their ids the query would emit other windows, "
        "which the table would pass over.",
        REPAIR,
        _LOST,
    ),
    Code.TABLE_FILE_UNKNOWN: Rule(
        _ERROR,
        "The table has rows of a file that neither ledger nor landing folder know.",
        _FILES,
        _TWICE,
    ),
    Code.TABLE_REWOUND: Rule(
        _ERROR,
        "The table was set back: it remembers micro-batches whose rows it no longer "
        "has, so they would never come again.",
        REPAIR,
        _LOST,
    ),
    Code.TABLE_UNREADABLE: Rule(
        _ERROR,
        "The table cannot be read: a file of its log or its data is damaged or gone.",
        _RESTORE,
        _LOST,
    ),
    Code.TRANSACTION_MISSING: Rule(
        _ERROR,
        "The checkpoint has committed the micro-batch and the table has no transaction "
        "of it: its rows never came, or were written by something else.",
        REPAIR,
        _LOST,
    ),
    Code.WINDOW_DUPLICATED: Rule(
        _ERROR,
        "A window has more than one row for the same group.",
        "docs/runbook.md, 'Windows that are wrong': {pipeline}",
        _TWICE,
    ),
}


def finding(  # noqa: PLR0913 - the last two only where a case differs from its rule
    code: Code,
    pipeline: str,
    subject: str,
    evidence: str,
    *,
    severity: Severity | None = None,
    data_risk: DataRisk | None = None,
) -> Finding:
    """Return a finding of ``code``; severity and risk only where this case differs."""
    rule = RULES[code]
    return Finding(
        code=code.value,
        severity=severity or rule.severity,
        subject=subject,
        evidence=evidence,
        explanation=rule.explanation,
        remedy=rule.remedy.format(pipeline=pipeline, subject=repr(subject)),
        data_risk=data_risk or rule.data_risk,
    )
