"""The options of ``format("cloudFiles")``: Auto Loader's names, checked before use.

Names and meanings are those of Auto Loader's public documentation. An option that is
known there and not built here is refused, never ignored in silence.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sluice.errors import Condition, UsageError
from sluice.model import FileIdentity
from sluice.paths import join, normalize
from sluice.source.clean.options import (
    DEFAULT_RETENTION,
    CleanMode,
    parse_clean_mode,
    parse_retention,
    require_cleanable,
)
from sluice.source.filters import AgeRules
from sluice.source.listing import IncrementalListing
from sluice.source.option_values import (
    invalid,
    parse_bytes,
    parse_count,
    parse_flag,
    parse_interval,
    parse_moment,
    word_of,
)

DEFAULT_MAX_FILES = 1000
# Below this Auto Loader itself refuses: it would forget files that it still lists.
_LEAST_MAX_AGE = timedelta(days=14)


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
    file_identity: FileIdentity = FileIdentity.PATH
    allow_overwrites: bool | None = None
    strict_globber: bool = False
    include_existing: bool = True
    incremental_listing: IncrementalListing = IncrementalListing.FALSE
    backfill_interval: timedelta | None = None
    modified_after: datetime | None = None
    modified_before: datetime | None = None
    max_file_age: timedelta | None = None
    min_file_age: timedelta | None = None
    clean_source: CleanMode = CleanMode.OFF
    clean_retention: timedelta = DEFAULT_RETENTION
    move_destination: str | None = None
    max_partition_bytes: int = 32 << 20
    min_partitions: int = 2
    run_id: str = "stream"
    schema_location_given: bool = True

    @property
    def age_rules(self) -> AgeRules:
        """The rules on the modification times of new files."""
        return AgeRules(
            modified_after=self.modified_after,
            modified_before=self.modified_before,
            max_age=self.max_file_age,
            min_age=self.min_file_age,
        )


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
    "cloudFiles.allowOverwrites": "allow_overwrites",
    "cloudFiles.backfillInterval": "backfill_interval",
    "cloudFiles.cleanSource": "clean_source",
    "cloudFiles.cleanSource.moveDestination": "move_destination",
    "cloudFiles.cleanSource.retentionDuration": "clean_retention",
    "cloudFiles.cleanSource.waitForCompletion": "clean_wait",
    "cloudFiles.fileIdentity": "file_identity",
    "cloudFiles.includeExistingFiles": "include_existing",
    "cloudFiles.maxFileAge": "max_file_age",
    "cloudFiles.useIncrementalListing": "incremental_listing",
    "cloudFiles.useStrictGlobber": "strict_globber",
    "modifiedAfter": "modified_after",
    "modifiedBefore": "modified_before",
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
    "sluice.minFileAge": "min_file_age",
    "sluice.maxPartitionBytes": "max_partition_bytes",
    "sluice.minPartitions": "min_partitions",
    "sluice.runId": "run_id",
}
# Known from Auto Loader and not built yet; the value is how it behaves here, so that
# saying just that changes nothing.
_LATER = {
    "cloudFiles.partitionColumns": "",
    "cloudFiles.schemaHints": "",
    "cloudFiles.useManagedFileEvents": "false",
    "cloudFiles.useNotifications": "false",
    "badRecordsPath": "",
    "ignoreCorruptFiles": "false",
    "ignoreMissingFiles": "false",
    "mode": "permissive",
    "readerCaseSensitive": "true",
}
_FIELDS = {name.lower(): field for name, field in _KNOWN.items()}
_LATER_NAMES = {name.lower(): name for name in _LATER}
_SPELLED = {name.lower(): name for name in [*_KNOWN, *_LATER]}


def parse_options(given: Mapping[str, str]) -> CloudFilesOptions:
    """Check the options of a stream and return what they say.

    Raises:
        UsageError: an option is unknown, wrong, missing, or not built yet.
    """
    values = {name.lower(): value for name, value in given.items()}
    _require_known(values)
    named = {_FIELDS[name]: _SPELLED[name] for name in values if name in _FIELDS}
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
    fields = {field: _parse(named[field], field, text) for field, text in read.items()}
    _require_one_identity(fields)
    # Cleaning always runs to its end here, whichever value is given.
    fields.pop("clean_wait", None)
    options = _with_identity(replace(options, **fields))
    require_cleanable(
        options.path,
        options.clean_source,
        options.clean_retention,
        options.move_destination,
    )
    if location is None:
        options = replace(options, schema_location=default_location(options))
    return options


def _parse(name: str, field: str, text: str) -> Any:
    try:
        return _PARSERS[field](text)
    except ValueError as error:
        raise invalid(name, text, str(error)) from None


def _require_one_identity(fields: Mapping[str, Any]) -> None:
    if fields.get("allow_overwrites") and fields.get("file_identity") == "path":
        raise invalid(
            "cloudFiles.fileIdentity",
            "path",
            "'path+mtime' or 'content' beside cloudFiles.allowOverwrites=true",
        )


def _with_identity(options: CloudFilesOptions) -> CloudFilesOptions:
    """Let ``allowOverwrites`` mean what Auto Loader means by it: path and time."""
    identity = options.file_identity
    if options.allow_overwrites and identity is FileIdentity.PATH:
        identity = FileIdentity.PATH_MTIME
    return replace(options, file_identity=identity)


def default_location(options: CloudFilesOptions) -> str:
    """Return where ledger and schemas live when no schemaLocation is given.

    A Python source is not told its checkpoint, so the place is under the lake, named
    by the source path and by what decides which of its files are discovered: two
    streams that take different files must not share a ledger.
    """
    lake = normalize(os.environ.get("SLUICE_LAKE") or "lake")
    selection = [options.path, options.path_glob_filter, options.recursive]
    narrowed = [
        str(each)
        for each in (
            options.strict_globber or None,
            options.modified_after,
            options.modified_before,
        )
    ]
    if narrowed != ["None"] * len(narrowed):
        selection += narrowed
    digest = sha256(json.dumps(selection).encode()).hexdigest()
    return join(lake, "schemas", f"_path_{digest[:16]}")


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
    hint = f"did you mean {_SPELLED[close[0]]!r}?" if close else "see docs/options.md"
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


def _max_age(text: str) -> timedelta:
    age = parse_interval(text)
    if age < _LEAST_MAX_AGE:
        raise invalid("cloudFiles.maxFileAge", text, "at least 14 days")
    return age


def _bad_files(text: str) -> str:
    if text not in {"fail", "quarantine"}:
        raise invalid("sluice.badFiles", text, "'fail' or 'quarantine'")
    return text


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "max_files": parse_count,
    "max_bytes": parse_bytes,
    "infer_column_types": parse_flag,
    "evolution_mode": word_of("cloudFiles.schemaEvolutionMode", EvolutionMode),
    "path_glob_filter": str,
    "recursive": parse_flag,
    "rescued_column": str,
    "corrupt_column": str,
    "multi_line": parse_flag,
    "metadata_column": parse_flag,
    "bad_files": _bad_files,
    "max_partition_bytes": parse_bytes,
    "min_partitions": parse_count,
    "run_id": str,
    "allow_overwrites": parse_flag,
    "backfill_interval": parse_interval,
    "file_identity": word_of("cloudFiles.fileIdentity", FileIdentity),
    "include_existing": parse_flag,
    "max_file_age": _max_age,
    "min_file_age": parse_interval,
    "incremental_listing": word_of(
        "cloudFiles.useIncrementalListing", IncrementalListing
    ),
    "clean_source": parse_clean_mode,
    "clean_retention": parse_retention,
    "clean_wait": parse_flag,
    "move_destination": normalize,
    "strict_globber": parse_flag,
    "modified_after": parse_moment,
    "modified_before": parse_moment,
}
