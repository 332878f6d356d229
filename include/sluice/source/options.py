"""The options of ``format("cloudFiles")``: Auto Loader's names, checked before use.

Names and meanings are those of Auto Loader's public documentation. An option that is
known there and not built here is refused, never ignored in silence.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sluice.errors import Condition, UsageError
from sluice.paths import join, normalize

_BYTES = re.compile(r"(\d+)\s*([kmgt]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
DEFAULT_MAX_FILES = 1000


class EvolutionMode(StrEnum):
    """What happens when a field appears that the schema does not have."""

    ADD_NEW_COLUMNS = "addNewColumns"
    RESCUE = "rescue"
    FAIL_ON_NEW_COLUMNS = "failOnNewColumns"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class CloudFilesOptions:
    """What a stream was asked to read; sizes in bytes."""

    path: str
    schema_location: str
    max_files: int = DEFAULT_MAX_FILES
    max_bytes: int | None = None
    infer_column_types: bool = False
    evolution_mode: EvolutionMode | None = None
    path_glob_filter: str | None = None
    recursive: bool = True
    rescued_column: str | None = None
    corrupt_column: str = "_corrupt_record"
    multi_line: bool = False
    metadata_column: bool = True
    bad_files: str = "fail"
    max_partition_bytes: int = 32 << 20
    min_partitions: int = 2
    run_id: str = "stream"
    schema_location_given: bool = True


# lower-case option name -> field and parser; Spark hands option names in any case
_KNOWN = {
    "path": "path",
    "cloudFiles.format": "format",
    "cloudFiles.schemaLocation": "schema_location",
    "cloudFiles.maxFilesPerTrigger": "max_files",
    "maxFilesPerTrigger": "max_files",
    "cloudFiles.maxBytesPerTrigger": "max_bytes",
    "maxBytesPerTrigger": "max_bytes",
    "cloudFiles.inferColumnTypes": "infer_column_types",
    "cloudFiles.schemaEvolutionMode": "evolution_mode",
    "cloudFiles.validateOptions": "validate",
    "pathGlobFilter": "path_glob_filter",
    "cloudFiles.pathGlobFilter": "path_glob_filter",
    "fileNamePattern": "path_glob_filter",
    "recursiveFileLookup": "recursive",
    "rescuedDataColumn": "rescued_column",
    "cloudFiles.rescuedDataColumn": "rescued_column",
    "columnNameOfCorruptRecord": "corrupt_column",
    "multiLine": "multi_line",
    "sluice.metadataColumn": "metadata_column",
    "sluice.badFiles": "bad_files",
    "sluice.maxPartitionBytes": "max_partition_bytes",
    "sluice.minPartitions": "min_partitions",
    "sluice.runId": "run_id",
}
# Known from Auto Loader and not built yet; the value is how it behaves here, so that
# saying just that changes nothing.
_LATER = {
    "cloudFiles.allowOverwrites": "false",
    "cloudFiles.backfillInterval": "",
    "cloudFiles.cleanSource": "off",
    "cloudFiles.cleanSource.moveDestination": "",
    "cloudFiles.cleanSource.retentionDuration": "",
    "cloudFiles.includeExistingFiles": "true",
    "cloudFiles.maxFileAge": "",
    "cloudFiles.partitionColumns": "",
    "cloudFiles.schemaHints": "",
    "cloudFiles.useIncrementalListing": "false",
    "cloudFiles.useManagedFileEvents": "false",
    "cloudFiles.useNotifications": "false",
    "cloudFiles.useStrictGlobber": "false",
    "badRecordsPath": "",
    "ignoreCorruptFiles": "false",
    "ignoreMissingFiles": "false",
    "mode": "permissive",
    "modifiedAfter": "",
    "modifiedBefore": "",
    "readerCaseSensitive": "true",
}
_FIELDS = {name.lower(): field for name, field in _KNOWN.items()}
_LATER_NAMES = {name.lower(): name for name in _LATER}


def parse_options(given: Mapping[str, str]) -> CloudFilesOptions:
    """Check the options of a stream and return what they say.

    Raises:
        UsageError: an option is unknown, wrong, missing, or not built yet.
    """
    values = {name.lower(): value for name, value in given.items()}
    _require_known(values)
    read = {_FIELDS[name]: value for name, value in values.items() if name in _FIELDS}
    _require_json(read.pop("format", None))
    read.pop("validate", None)
    if "path" not in read:
        raise UsageError(
            Condition.OPTION_MISSING, "cloudFiles: no path is given; call .load(path)"
        )
    path = normalize(read.pop("path"))
    location = read.pop("schema_location", None)
    options = CloudFilesOptions(
        path=path,
        schema_location=normalize(location or ""),
        schema_location_given=location is not None,
    )
    fields = {field: _PARSERS[field](text) for field, text in read.items()}
    options = replace(options, **fields)
    if location is None:
        options = replace(options, schema_location=default_location(options))
    return options


def default_location(options: CloudFilesOptions) -> str:
    """Return where ledger and schemas live when no schemaLocation is given.

    A Python source is not told its checkpoint, so the place is under the lake, named
    by the source path and by what decides which of its files are discovered: two
    streams that take different files must not share a ledger.
    """
    lake = normalize(os.environ.get("SLUICE_LAKE") or "lake")
    selection = [options.path, options.path_glob_filter, options.recursive]
    digest = sha256(json.dumps(selection).encode()).hexdigest()
    return join(lake, "schemas", f"_path_{digest[:16]}")


def parse_bytes(text: str) -> int:
    """Parse ``10g``, ``512 MB`` or a plain number of bytes, from 1 on.

    Raises:
        UsageError: anything else.
    """
    match = _BYTES.fullmatch(text.strip())
    if not match or int(match[1]) == 0:
        raise _invalid("a size in bytes", text, "a number such as 1048576, 512m or 10g")
    return int(match[1]) * _UNITS[match[2].lower()]


def _require_known(values: Mapping[str, str]) -> None:
    if values.get("cloudfiles.validateoptions", "true").lower() == "false":
        return
    for name, value in values.items():
        if name in _LATER_NAMES and value.lower() != _LATER[_LATER_NAMES[name]]:
            raise UsageError(
                Condition.OPTION_UNSUPPORTED,
                f"cloudFiles: option {_LATER_NAMES[name]!r} is known from Auto Loader "
                "and not built in this version; leave it out (docs/options.md)",
                {"option": _LATER_NAMES[name]},
            )
        if name not in _FIELDS and name not in _LATER_NAMES:
            raise _unknown(name)


def _unknown(name: str) -> UsageError:
    close = get_close_matches(name, [*_FIELDS, *_LATER_NAMES], n=1)
    known = {each.lower(): each for each in [*_KNOWN, *_LATER]}
    hint = f"did you mean {known[close[0]]!r}?" if close else "see docs/options.md"
    return UsageError(
        Condition.OPTION_UNKNOWN,
        f"cloudFiles: unknown option {name!r}; {hint}",
        {"option": name},
    )


def _require_json(file_format: str | None) -> None:
    if file_format is None:
        raise UsageError(
            Condition.OPTION_MISSING,
            "cloudFiles: option 'cloudFiles.format' is required; set it to 'json'",
        )
    if file_format.lower() != "json":
        raise UsageError(
            Condition.OPTION_UNSUPPORTED,
            f"cloudFiles: format {file_format!r} is not built yet; 'json' is",
        )


def _flag(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise _invalid("an option", text, "'true' or 'false'")
    return text.lower() == "true"


def _count(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise _invalid("an option", text, "a whole number from 1 on")
    return int(text)


def _mode(text: str) -> EvolutionMode:
    for mode in EvolutionMode:
        if mode.lower() == text.lower():
            return mode
    raise _invalid(
        "cloudFiles.schemaEvolutionMode",
        text,
        str([mode.value for mode in EvolutionMode]),
    )


def _bad_files(text: str) -> str:
    if text not in {"fail", "quarantine"}:
        raise _invalid("sluice.badFiles", text, "'fail' or 'quarantine'")
    return text


def _invalid(subject: str, got: str, expected: str) -> UsageError:
    return UsageError(
        Condition.OPTION_INVALID,
        f"cloudFiles: {subject} has the value {got!r}; expected {expected}",
    )


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "max_files": _count,
    "max_bytes": parse_bytes,
    "infer_column_types": _flag,
    "evolution_mode": _mode,
    "path_glob_filter": str,
    "recursive": _flag,
    "rescued_column": str,
    "corrupt_column": str,
    "multi_line": _flag,
    "metadata_column": _flag,
    "bad_files": _bad_files,
    "max_partition_bytes": parse_bytes,
    "min_partitions": _count,
    "run_id": str,
}
