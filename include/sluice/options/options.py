"""The options of ``format("cloudFiles")``: Auto Loader's names, checked before use.

Names and meanings are those of Auto Loader's public documentation. An option that is
known there and not built here is refused, never ignored in silence.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import cache
from hashlib import sha256
from typing import Any

from sluice.columns import CORRUPT_RECORD
from sluice.errors import Condition, UsageError
from sluice.formats.base import Format
from sluice.formats.limits import (
    DEFAULT_EXPANSION,
    DEFAULT_MEMORY,
    DEFAULT_NAME_LENGTH,
    Limits,
)
from sluice.formats.registry import (
    default_format,
    format_class,
    name_formats,
    spell_format,
)
from sluice.options.clean import (
    DEFAULT_RETENTION,
    CleanMode,
    require_apart,
    require_cleanable,
)
from sluice.options.filters import AgeRules
from sluice.options.hints import SchemaHint
from sluice.options.incremental import IncrementalListing
from sluice.options.table import OPTIONS, EvolutionMode, ParseMode
from sluice.paths import join, normalize_tables
from sluice.values import Option, invalid_value_error

# By the name in lower case: the name as it is spelled, and the row.
_Rows = dict[str, tuple[str, Option]]
# A name that begins so is one of ours or a mistake; others may be meant for Spark.
_PREFIXES = ("cloudfiles.", "sluice.")
_LOG = logging.getLogger("sluice")


@dataclass(frozen=True, kw_only=True)
class CloudFilesOptions:
    """What a stream was asked to read; sizes in bytes."""

    path: str
    schema_location: str
    format: Format = field(default_factory=default_format)
    max_files: int | None = None
    max_bytes: int | None = None
    infer_column_types: bool = False
    max_columns: int = 5000
    max_expansion: int = DEFAULT_EXPANSION
    max_file_memory: int = DEFAULT_MEMORY
    max_name_length: int = DEFAULT_NAME_LENGTH
    schema_hints: tuple[SchemaHint, ...] = ()
    partition_columns: tuple[str, ...] | None = None
    evolution_mode: EvolutionMode | None = None
    path_glob_filter: str | None = None
    recursive: bool = True
    follow_links: bool = False
    rescued_column: str | None = None
    corrupt_column: str = CORRUPT_RECORD
    parse_mode: ParseMode = ParseMode.PERMISSIVE
    metadata_column: bool = True
    bad_files: str | None = None
    bad_records_path: str | None = None
    ignore_missing: bool = False
    ignore_corrupt: bool = False
    allow_overwrites: bool = False
    strict_globber: bool = False
    include_existing: bool = True
    incremental_listing: IncrementalListing = IncrementalListing.FALSE
    backfill_interval: timedelta | None = None
    modified_after: datetime | None = None
    modified_before: datetime | None = None
    min_file_age: timedelta | None = None
    clean_source: CleanMode = CleanMode.OFF
    clean_retention: timedelta = DEFAULT_RETENTION
    move_destination: str | None = None
    max_partition_bytes: int = 32 << 20
    min_partitions: int = 2
    run_id: str = "stream"
    discovered_up_to: int | None = None
    pipeline: str | None = None
    schema_location_given: bool = True
    passed_over: tuple[str, ...] = ()

    @property
    def rescues_by_default(self) -> bool:
        """Whether an inferred schema has the column of rescued data."""
        is_named = self.rescued_column is not None
        return is_named or self.evolution_mode is not EvolutionMode.NONE

    @property
    def limits(self) -> Limits:
        """What one file may ask for."""
        return Limits(
            memory=self.max_file_memory,
            expansion=self.max_expansion,
            name_length=self.max_name_length,
        )

    @property
    def evolves(self) -> bool:
        """Whether new fields become columns."""
        return self.widens or self.evolution_mode is EvolutionMode.ADD_NEW_COLUMNS

    @property
    def widens(self) -> bool:
        """Whether columns get wider types."""
        return self.evolution_mode is EvolutionMode.WIDEN

    @property
    def ignores_missing(self) -> bool:
        """Whether a file that is gone is left out and recorded."""
        return self.ignore_missing or self._quarantines

    @property
    def ignores_corrupt(self) -> bool:
        """Whether a file that cannot be read is left out and recorded."""
        return self.ignore_corrupt or self._quarantines

    @property
    def _quarantines(self) -> bool:
        return self.bad_files == "quarantine" or self.bad_records_path is not None

    @property
    def drops_malformed(self) -> bool:
        """Whether a malformed record gives no row."""
        is_asked = self.parse_mode is ParseMode.DROPMALFORMED
        return is_asked or self.bad_records_path is not None

    @property
    def leaves_out(self) -> bool:
        """Whether any bad file is left out and recorded."""
        return self.ignores_missing or self.ignores_corrupt

    @property
    def age_rules(self) -> AgeRules:
        """The rules on the modification times of new files."""
        return AgeRules(
            modified_after=self.modified_after,
            modified_before=self.modified_before,
            min_age=self.min_file_age,
        )


def parse_options(given: Mapping[str, str]) -> CloudFilesOptions:
    """Check the options of a stream and return what they say.

    A name without a prefix of ours that the format does not know is passed over, as
    Auto Loader does: public code carries ``inferSchema``, ``mergeSchema`` and others.

    Raises:
        UsageError: an option is unknown, wrong, missing, or not built yet.
    """
    values = {name.lower(): value for name, value in given.items()}
    kind = _format(values.get("cloudfiles.format"))
    own, rows = _by_name(kind.options), _by_name(OPTIONS)
    known = rows | own
    if values.get("cloudfiles.validateoptions", "true").lower() != "false":
        _require_known(given, known)
    if "cloudfiles.maxfileage" in values:
        _warn_of_max_age()
    fields = dict(_fields(values, rows))
    if "path" not in fields:
        raise UsageError(
            Condition.OPTION_MISSING, "cloudFiles: no path is given; call .load(path)"
        )
    options = CloudFilesOptions(
        **{"schema_location": ""} | fields,
        format=kind(**dict(_fields(values, own))),
        schema_location_given="schema_location" in fields,
        passed_over=tuple(name for name in given if name.lower() not in known),
    )
    require_cleanable(
        options.path,
        options.clean_source,
        options.clean_retention,
        options.move_destination,
    )
    require_droppable(options)
    if options.widens:
        options = replace(options, format=options.format.exact())
    if not options.schema_location_given:
        options = replace(options, schema_location=default_location(options))
    return options


def require_declarable(options: CloudFilesOptions) -> None:
    """Refuse what is for an inferred schema where one is given.

    Raises:
        UsageError: the options ask to add columns, or give hints.
    """
    if options.schema_hints:
        raise UsageError(
            Condition.OPTION_INVALID,
            "cloudFiles: option 'cloudFiles.schemaHints' is for a schema that is "
            "inferred, and one is given; leave out one of them",
            {"option": "cloudFiles.schemaHints"},
        )
    if options.evolves:
        raise UsageError(
            Condition.OPTION_INVALID,
            "cloudFiles: option 'cloudFiles.schemaEvolutionMode' is "
            f"{options.evolution_mode!s}, "
            "and the schema is given, so that new columns have no place; leave out the "
            "schema to have it inferred, or set the option to 'rescue', 'none' or "
            "'failOnNewColumns'",
            {"option": "cloudFiles.schemaEvolutionMode"},
        )


def require_droppable(options: CloudFilesOptions) -> None:
    """Refuse to drop records or files where that means nothing, or other options not.

    Raises:
        UsageError: the options contradict each other, or the format.
    """
    path = options.bad_records_path
    if options.drops_malformed and not options.format.has_malformed:
        name = "mode" if path is None else "badRecordsPath"
        value = options.parse_mode if path is None else path
        expected = f"none: no record of {options.format.name} can be malformed"
        raise invalid_value_error(f"option {name!r}", value, expected)
    if path is None:
        return
    require_apart(options.path, path, option="badRecordsPath")
    if options.parse_mode is ParseMode.FAILFAST:
        expected = "'DROPMALFORMED', as 'badRecordsPath' is given"
        raise invalid_value_error("option 'mode'", options.parse_mode, expected)
    if options.bad_files == "fail":
        expected = "'quarantine', as 'badRecordsPath' is given"
        subject = "option 'sluice.badFiles' (bronze.bad_files)"
        raise invalid_value_error(subject, "fail", expected)


def with_inferred(given: Mapping[str, str]) -> dict[str, str]:
    """Return the options of a stream whose schema is inferred: a format may add some.

    Raises:
        UsageError: the format is unknown or missing.
    """
    values = {name.lower(): value for name, value in given.items()}
    added = _format(values.get("cloudfiles.format")).when_inferred
    return {
        name: value for name, value in added.items() if name.lower() not in values
    } | dict(given)


def with_prefixes(given: Mapping[str, str]) -> dict[str, str]:
    """Return the options under the names that they have outside of ``read_files``.

    In that function of SQL ``cloudFiles.`` is left out. A name that nothing knows gets
    it too, and so is refused: SQL carries no options that are meant for Spark.

    Raises:
        UsageError: the format is unknown or missing.
    """
    values = {name.lower(): value for name, value in given.items()}
    if "sluice.readfiles" not in values:
        return dict(given)
    kind = _format(values.get("format", values.get("cloudfiles.format")))
    known = _by_name(OPTIONS) | _by_name(kind.options)
    return {
        name if "." in name or name.lower() in known else f"cloudFiles.{name}": value
        for name, value in given.items()
    }


def _format(name: str | None) -> type[Format]:
    if name is None:
        raise UsageError(
            Condition.OPTION_MISSING,
            "cloudFiles: option 'cloudFiles.format' is required; set it to "
            f"{name_formats()}",
        )
    spelled = spell_format(name)
    if spelled is None:
        raise UsageError(
            Condition.OPTION_UNSUPPORTED,
            f"cloudFiles: format {name!r} is not built yet; set cloudFiles.format to "
            f"{name_formats()}",
        )
    return format_class(spelled)


def _by_name(options: Iterable[Option]) -> _Rows:
    """Return each option by its names in lower case: Spark gives them in any case."""
    return {name.lower(): (name, row) for row in options for name in row.names}


def _fields(values: Mapping[str, str], rows: _Rows) -> Iterator[tuple[str, Any]]:
    """Yield field and value of each option that says something here."""
    for name, text in values.items():
        spelled, row = rows.get(name, ("", None))
        if row is None or row.only is not None:
            continue
        try:
            value = row.parse(text)
        except ValueError as error:
            raise invalid_value_error(spelled, text, str(error)) from None
        if row.field is not None:
            yield row.field, value


def default_location(options: CloudFilesOptions) -> str:
    """Return where ledger and schemas live when no schemaLocation is given.

    A Python source does not know its checkpoint, so the place is under the lake, named
    by the source path and by what decides which of its files are discovered: two
    streams that take different files must not share a ledger.
    """
    lake = normalize_tables(os.environ.get("SLUICE_LAKE") or "lake")
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


def warn_of_passed_over(options: CloudFilesOptions) -> None:
    """Log the options that do nothing here, in one warning."""
    if options.passed_over:
        _LOG.warning(
            "cloudFiles: format %r knows no option %s: passed over (docs/options.md)",
            options.format.name,
            ", ".join(map(repr, options.passed_over)),
        )


def _require_known(given: Mapping[str, str], rows: _Rows) -> None:
    for name, value in given.items():
        _, row = rows.get(name.lower(), ("", None))
        if row is None:
            _require_foreign(name, rows)
        elif row.only not in {None, value.lower()}:
            raise UsageError(
                Condition.OPTION_UNSUPPORTED,
                f"cloudFiles: option {row.name!r} is known from Auto Loader "
                f"and not built in this version; {row.instead} (docs/options.md)",
                {"option": row.name},
            )


def _require_foreign(name: str, rows: _Rows) -> None:
    """Refuse an unknown name that has a prefix of ours: it is a mistake."""
    lowered = name.lower()
    if not lowered.startswith(_PREFIXES):
        return
    close = get_close_matches(lowered, rows, n=1)
    hint = f"did you mean {rows[close[0]][0]!r}?" if close else "see docs/options.md"
    raise UsageError(
        Condition.OPTION_UNKNOWN,
        f"cloudFiles: unknown option {name!r}; {hint}",
        {"option": name},
    )


@cache
def _warn_of_max_age() -> None:
    _LOG.warning(
        "cloudFiles.maxFileAge does nothing: every file is always remembered; leave "
        "the option out"
    )
