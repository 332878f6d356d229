"""Every finding an audit can make: how much it matters, what it means, the remedy."""

from __future__ import annotations

from enum import Enum, unique

from sluice.model import DataRisk, Severity
from sluice.rules.rule import Mend, Rule

_RUN = "sluice run {pipeline}"
_REPLAY = "sluice replay {pipeline} --files {glob}"
_RESTORE = "docs/runbook.md, 'Restore a pipeline from backup': {pipeline}"
_REPAIR = "sluice checkpoint repair {pipeline}"
_BATCHES = "sluice batches {pipeline}"
_FILES = "sluice files {pipeline}"


_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
_NONE, _LOST, _TWICE = DataRisk.NONE, DataRisk.LOST, DataRisk.DUPLICATED


@unique
class Code(Enum):
    """The stable names of findings, each with its rule; texts may change."""

    BATCH_UNFINISHED = Rule(
        _INFO,
        "Spark planned this micro-batch and has not committed it: it is running, or "
        "was cut off, and the next run repeats it with the same files.",
        _RUN,
    )
    CHECKPOINT_AHEAD = Rule(
        _ERROR,
        "The commit log has a micro-batch that the offset log does not: the checkpoint "
        "was restored in part.",
        _REPAIR,
        _NONE,
        Mend.CHECKPOINT,
    )
    CHECKPOINT_LOST = Rule(
        _ERROR,
        "There are rows and no checkpoint: a run would read every file again.",
        _REPAIR,
        _TWICE,
        Mend.CHECKPOINT,
    )
    CHECKPOINT_REWOUND = Rule(
        _WARNING,
        "The table has micro-batches of this query that its checkpoint does not know: "
        "the checkpoint is older. The claims give the repeated batches the same files, "
        "and the table passes over them.",
        _RUN,
    )
    CHECKPOINT_UNREADABLE = Rule(
        _ERROR,
        "Files of the checkpoint are damaged, so the query cannot start.",
        _REPAIR,
        _NONE,
        Mend.CHECKPOINT,
    )
    CLAIMS_LOST = Rule(
        _ERROR,
        "The ledger's table of planned micro-batches is gone: two drivers could plan "
        "different files under one batch id.",
        _REPAIR,
        _LOST,
        Mend.LEDGER,
    )
    COLUMN_MISSING = Rule(
        _WARNING,
        "A column that the check needs is not in the table, so it was not made.",
        "correct 'bronze.unique_key' in the file of pipeline {pipeline}",
    )
    COLUMN_UNKNOWN = Rule(
        _INFO,
        "No schema version has these columns, so no file fills them: another writer "
        "added them, or the schema store was lost or is older.",
        "sluice schema {pipeline}",
    )
    COMMIT_MISSING = Rule(
        _ERROR,
        "The micro-batch is over, but its file in the commit log is not there.",
        _REPAIR,
        _NONE,
        Mend.CHECKPOINT,
    )
    COMPLETE_BEHIND = Rule(
        _INFO,
        "A silver table that is computed whole is of an older version of its source; "
        "the next run computes it.",
        _RUN,
    )
    COMPLETE_WRONG = Rule(
        _ERROR,
        "A silver table that is computed whole is not what its last computation made: "
        "another writer changed it, or it or its source was set back.",
        "docs/runbook.md, 'Silver tables computed whole that are wrong': {pipeline}",
        _LOST,
    )
    CURRENT_WRONG = Rule(
        _ERROR,
        "A table of current rows is not what its merges made: another writer changed "
        "it, or it or bronze was set back, or it is of another definition.",
        "docs/runbook.md, 'Current rows that are wrong': {pipeline}",
        _LOST,
    )
    DATA_STALE = Rule(
        _WARNING,
        "The newest file in the table is older than 'bronze.freshness' lets it be: "
        "nothing has landed since, or it was not loaded.",
        _FILES,
    )
    DEFINITION_CHANGED = Rule(
        _ERROR,
        "The table is defined otherwise than when its query began, and no run begins: "
        "windows of both definitions would stand in it.",
        _REPAIR,
        _NONE,
        Mend.CHECKPOINT,
    )
    FILES_WAITING = Rule(
        _INFO, "These files are not in the table yet; the next run reads them.", _RUN
    )
    FILE_CHANGED = Rule(
        _WARNING,
        "The file is not the one that was discovered: it was written again, or was not "
        "complete. Its rows in the table are those of its earlier content.",
        _REPLAY,
    )
    FILE_NOT_COUNTED = Rule(
        _WARNING,
        "The file cannot be read, so its rows in the table could not be compared.",
        _FILES,
    )
    FILE_QUARANTINED = Rule(
        _WARNING,
        "The file does not hold what its format says and was left out of the table.",
        _REPLAY,
        _LOST,
    )
    FILE_REPLACED = Rule(
        _INFO,
        "The file was written over before this version was read: what it held never "
        "came into the table. Its newer version has a row of its own in the ledger.",
        _FILES,
    )
    HISTORY_INCOMPLETE = Rule(
        _WARNING,
        "The first micro-batches are neither in the checkpoint nor in the archive, so "
        "their ranges cannot be checked; the files and rows are.",
        _BATCHES,
    )
    KEY_DUPLICATED = Rule(
        _INFO,
        "Values of the unique key come more than once. Bronze keeps what landed; a "
        "file read twice would show as ROWS_DUPLICATED.",
        _FILES,
    )
    LANDING_MISSING = Rule(
        _ERROR,
        "The landing folder is not there, so nothing can arrive.",
        "mkdir -p {subject}",
    )
    LEDGER_BEHIND = Rule(
        _ERROR,
        "The checkpoint has read files that the ledger does not have: the ledger is "
        "older, and new files would get numbers that count as read.",
        _REPAIR,
        _LOST,
        Mend.LEDGER,
    )
    LEDGER_FILE_GONE = Rule(
        _WARNING,
        "The file was read and is no longer in the landing folder: its rows are in the "
        "table, but can neither be compared nor read again.",
        _FILES,
    )
    LEDGER_LOST = Rule(
        _ERROR,
        "There is a checkpoint or a table and no ledger: it is unknown which files "
        "were read.",
        _REPAIR,
        _TWICE,
        Mend.LEDGER,
    )
    LEDGER_MISMATCH = Rule(
        _ERROR,
        "The checkpoint was written with another ledger, so its numbers mean other "
        "files.",
        _REPAIR,
        _LOST,
        Mend.LEDGER,
    )
    LEDGER_PATH_DUPLICATED = Rule(
        _ERROR,
        "The ledger has the path more than once, so its rows are read more than once.",
        _REPLAY,
        _TWICE,
    )
    LEDGER_UNREADABLE = Rule(
        _ERROR,
        "The ledger cannot be read: a file of its tables is damaged or gone.",
        _REPAIR,
        _NONE,
        Mend.LEDGER,
    )
    METADATA_MISSING = Rule(
        _ERROR,
        "The checkpoint's file 'metadata' with the query id is gone: under a new id "
        "the table would take micro-batches again that it has.",
        _REPAIR,
        _TWICE,
        Mend.CHECKPOINT,
    )
    NAME_NOT_UTF8 = Rule(
        _WARNING,
        "The file's path is not UTF-8, so no table can hold it and the file was left "
        "out. Rename it; the next run reads it then.",
        _RUN,
        _LOST,
    )
    NOTHING_YET = Rule(_INFO, "The pipeline has not run yet.", _RUN)
    NOT_IN_LEDGER = Rule(
        _ERROR,
        "The file landed before the last discovery and is not in the ledger.",
        _RUN,
        _LOST,
    )
    OFFSETS_CHANGED = Rule(
        _ERROR,
        "The checkpoint says another end of the micro-batch than when it was archived.",
        _REPAIR,
        _NONE,
        Mend.CHECKPOINT,
    )
    OFFSETS_MISSING = Rule(
        _ERROR,
        "Files in the middle of the offset log are gone, so the ranges of these "
        "micro-batches are not known, and Spark may refuse to start.",
        _REPAIR,
        _NONE,
        Mend.CHECKPOINT,
    )
    QUARANTINE_DIFFERS = Rule(
        _ERROR,
        "The quarantine has other rows of the file than micro-batches and replays put "
        "there: another writer changed that table, or a replay was cut off.",
        _REPLAY,
        _LOST,
    )
    RANGE_GAP = Rule(
        _ERROR,
        "The micro-batch ended before the next one began: no batch read the files "
        "between.",
        _REPAIR,
        _LOST,
        Mend.CHECKPOINT,
    )
    RANGE_OVERLAP = Rule(
        _ERROR,
        "The next micro-batch begins before this one ended: two batches hold the same "
        "files.",
        _REPAIR,
        _TWICE,
        Mend.CHECKPOINT,
    )
    RANGE_START = Rule(
        _ERROR,
        "The first micro-batch does not begin at the first file.",
        _REPAIR,
        _LOST,
        Mend.LEDGER,
    )
    RECORDS_CORRUPT = Rule(
        _WARNING,
        "Most of a file could not be read into its columns. All of it is in "
        "`_rescued_data`: nothing is lost, and an option most likely does not fit.",
        "set the option in bronze.source.options, then " + _REPLAY,
    )
    RECORDS_DROPPED = Rule(
        _INFO,
        "Records that are malformed gave no row, as option 'mode' or 'badRecordsPath' "
        "says. The rows in the table are those of all others.",
        _FILES,
        _LOST,
    )
    RESCUED_READABLE = Rule(
        _INFO,
        "Rows from before the field was in the schema have values of it in their "
        "rescued data, and they would fit. A replay reads them into the column.",
        "sluice replay {pipeline} --files GLOB",
    )
    ROWS_DELETED = Rule(
        _INFO,
        "All rows of these files were written, and another writer has deleted some of "
        "them since. If that was a mistake, a replay of the files brings them back.",
        "sluice replay {pipeline} --files GLOB",
    )
    ROWS_DRIFTED = Rule(
        _WARNING,
        "The newest full hour brought far more or fewer rows than those before it, by "
        "'bronze.drift'.",
        _FILES,
    )
    ROWS_DUPLICATED = Rule(
        _ERROR,
        "The table has more rows of the file than the file has records.",
        _REPLAY,
        _TWICE,
    )
    ROWS_LATE = Rule(
        _INFO,
        "Rows came after their window was closed. What becomes of them is set by "
        "'late_data'; a longer 'watermark' waits for them.",
        "docs/silver.md, 'Late rows': {pipeline}",
    )
    ROWS_MISSING = Rule(
        _ERROR,
        "The table has fewer rows of the file than the file has records.",
        _REPLAY,
        _LOST,
    )
    ROWS_QUARANTINED = Rule(
        _INFO,
        "Rows violate a rule of 'on_violation: quarantine', so they are in the table "
        "beside bronze. After the rule or the file is mended, a replay takes them in.",
        "sluice rules {pipeline}",
    )
    ROWS_UNEXPECTED = Rule(
        _ERROR,
        "The table has rows of a file that no finished micro-batch read: the batch "
        "that reads it would write them again.",
        _REPLAY,
        _TWICE,
    )
    SCHEMA_UNREADABLE = Rule(
        _ERROR,
        "A kept version of the schema cannot be read, so no run can start.",
        _RESTORE,
    )
    SCHEMA_UNUSED = Rule(
        _INFO,
        "No micro-batch was written in the newest schema version yet: what kept it is "
        "running, or was cut off, and the next run reads in it.",
        _RUN,
    )
    SILVER_REWOUND = Rule(
        _ERROR,
        "The table has micro-batches of this query that its checkpoint does not know: "
        "the checkpoint is older. Under their ids the query would emit other windows, "
        "which the table would pass over.",
        _REPAIR,
        _LOST,
        Mend.CHECKPOINT,
    )
    SOURCE_EXPIRED = Rule(
        _ERROR,
        "Bronze's log no longer has the commits that silver is to read next: Delta "
        "removes them after 30 days, or after bronze's 'delta.logRetentionDuration'. "
        "Their rows are in bronze.",
        _REPAIR,
        _NONE,
        Mend.CHECKPOINT,
    )
    TABLE_FILE_UNKNOWN = Rule(
        _ERROR,
        "The table has rows of a file that neither ledger nor landing folder know.",
        _FILES,
        _TWICE,
    )
    TABLE_REWOUND = Rule(
        _ERROR,
        "The table was set back: it remembers micro-batches whose rows it no longer "
        "has, so they would never come again.",
        _REPAIR,
        _LOST,
        Mend.CHECKPOINT,
    )
    TABLE_UNREADABLE = Rule(
        _ERROR,
        "The table cannot be read: a file of its log or its data is damaged or gone.",
        _RESTORE,
        _LOST,
    )
    TRANSACTION_MISSING = Rule(
        _ERROR,
        "The checkpoint has committed the micro-batch and the table has no transaction "
        "of it: its rows never came, or were written by something else.",
        _REPAIR,
        _LOST,
        Mend.CHECKPOINT,
    )
    UNDO_UNFINISHED = Rule(
        _INFO,
        "Fields were taken out of the schema, and their columns have values still or "
        "again: the undo was cut off, or a replay ran beside it. Nothing is lost.",
        "sluice schema {pipeline} undo --to {subject}",
    )
    WINDOW_DUPLICATED = Rule(
        _ERROR,
        "A window has more than one row for the same group.",
        "docs/runbook.md, 'Windows that are wrong': {pipeline}",
        _TWICE,
    )
