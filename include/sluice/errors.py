"""Errors, each with a stable condition, what to do about it, and an exit code."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """What a job or command returns; Airflow and scripts rely on these."""

    DONE = 0
    USAGE = 64
    DATA = 65
    TEMPORARY = 75
    NOTHING_NEW = 99


class Condition(StrEnum):
    """The stable names of what can go wrong; texts may change, these may not."""

    AIRFLOW_FAILED = "AIRFLOW_FAILED"
    AUDIT_FAILED = "AUDIT_FAILED"
    BAD_FILE = "BAD_FILE"
    CHECKPOINT_LOST = "CHECKPOINT_LOST"
    CHECKPOINT_REWOUND = "CHECKPOINT_REWOUND"
    CHECKPOINT_UNREADABLE = "CHECKPOINT_UNREADABLE"
    CLAIM_CONFLICT = "CLAIM_CONFLICT"
    CLEANING_REFUSED = "CLEANING_REFUSED"
    COMMIT_CONFLICT = "COMMIT_CONFLICT"
    CONFIG_INVALID = "CONFIG_INVALID"
    CONFIG_NOT_FOUND = "CONFIG_NOT_FOUND"
    CONFIG_UNKNOWN_KEY = "CONFIG_UNKNOWN_KEY"
    DEFINITION_CHANGED = "DEFINITION_CHANGED"
    DELETION_REFUSED = "DELETION_REFUSED"
    DELETION_UNFINISHED = "DELETION_UNFINISHED"
    EXPECTATION_VIOLATED = "EXPECTATION_VIOLATED"
    FILE_REPLACED = "FILE_REPLACED"
    INSTALLATION_BROKEN = "INSTALLATION_BROKEN"
    LANDING_MOVED = "LANDING_MOVED"
    LEASE_HELD = "LEASE_HELD"
    LEDGER_MISMATCH = "LEDGER_MISMATCH"
    LEDGER_REWOUND = "LEDGER_REWOUND"
    LEDGER_UNREADABLE = "LEDGER_UNREADABLE"
    MALFORMED_RECORD = "MALFORMED_RECORD"
    NOTHING_TO_REPLAY = "NOTHING_TO_REPLAY"
    OPTION_INVALID = "OPTION_INVALID"
    OPTION_MISSING = "OPTION_MISSING"
    OPTION_UNKNOWN = "OPTION_UNKNOWN"
    OPTION_UNSUPPORTED = "OPTION_UNSUPPORTED"
    PATH_NOT_FOUND = "PATH_NOT_FOUND"
    PORT_IN_USE = "PORT_IN_USE"
    QUERY_FAILED = "QUERY_FAILED"
    REPAIR_IMPOSSIBLE = "REPAIR_IMPOSSIBLE"
    REPAIR_UNFINISHED = "REPAIR_UNFINISHED"
    SCHEMA_NOT_INFERRED = "SCHEMA_NOT_INFERRED"
    SCHEMA_UNREADABLE = "SCHEMA_UNREADABLE"
    SCHEMA_UNSUPPORTED = "SCHEMA_UNSUPPORTED"
    SOURCE_EXPIRED = "SOURCE_EXPIRED"
    STORAGE_REFUSED = "STORAGE_REFUSED"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    TABLE_REWOUND = "TABLE_REWOUND"
    TABLE_UNREADABLE = "TABLE_UNREADABLE"
    TRIGGER_UNSUPPORTED = "TRIGGER_UNSUPPORTED"
    UNKNOWN_FIELD_EXCEPTION = "UNKNOWN_FIELD_EXCEPTION"
    USAGE = "USAGE"
    VERSION_TOO_NEW = "VERSION_TOO_NEW"
    WATCH_FAILED = "WATCH_FAILED"


class SluiceError(Exception):
    """Something that Sluice refuses or could not do.

    The message says: subject, what is wrong, expected and got, next action. Arguments
    are positional only, so the error survives pickling between Spark, Airflow and us.
    """

    exit_code = ExitCode.DATA

    def __init__(
        self,
        condition: Condition,
        message: str,
        context: Mapping[str, object] | None = None,
        /,
    ) -> None:
        super().__init__(condition, message, dict(context or {}))
        self.condition = condition
        self.message = message
        self.context = dict(context or {})

    def __str__(self) -> str:
        return f"[{self.condition}] {self.message}"


class UsageError(SluiceError):
    """The command line or the configuration is wrong: correct it and call again."""

    exit_code = ExitCode.USAGE


class FatalError(SluiceError):
    """The data or the state are not what they must be: look before running again."""

    exit_code = ExitCode.DATA


class RetryableError(SluiceError):
    """Another process was faster or holds the lease: try the same call later."""

    exit_code = ExitCode.TEMPORARY
