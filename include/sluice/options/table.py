"""The table of options: every name that ``format("cloudFiles")`` knows, once.

A format brings rows of its own (``Format.options``).

Names and meanings are those of Auto Loader's public documentation; names that begin
with ``sluice.`` are our own.
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial

from sluice.columns import CORRUPT_RECORD, METADATA, RESCUED_DATA
from sluice.options.clean import parse_clean_mode
from sluice.options.hints import parse_hints
from sluice.options.incremental import IncrementalListing
from sluice.paths import normalize
from sluice.times import parse_duration
from sluice.values import (
    Option,
    parse_bytes,
    parse_count,
    parse_flag,
    parse_interval,
    parse_moment,
    word_of,
)


class EvolutionMode(StrEnum):
    """What happens when a field appears that the schema does not have."""

    ADD_NEW_COLUMNS = "addNewColumns"
    RESCUE = "rescue"
    FAIL_ON_NEW_COLUMNS = "failOnNewColumns"
    NONE = "none"


class ParseMode(StrEnum):
    """What happens to a record that is malformed."""

    PERMISSIVE = "PERMISSIVE"
    FAILFAST = "FAILFAST"


def _parse_mode(text: str) -> ParseMode:
    if text.strip().upper() == "DROPMALFORMED":
        message = (
            "'PERMISSIVE' or 'FAILFAST': what DROPMALFORMED drops is in no table; "
            "read with PERMISSIVE and filter by the column of columnNameOfCorruptRecord"
        )
        raise ValueError(message)
    return word_of(ParseMode)(text)


def _parse_names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def _bad_files(text: str) -> str:
    if text not in {"fail", "quarantine"}:
        message = "'fail' or 'quarantine'"
        raise ValueError(message)
    return text


_READING = (
    Option(
        name="path",
        meaning="the folder, file or glob that is read",
        parse=normalize,
        field="path",
    ),
    Option(
        name="cloudFiles.format",
        meaning="the format of the files, which has options of its own",
    ),
    Option(
        name="cloudFiles.schemaLocation",
        meaning="where the ledger and the schemas are kept",
        parse=normalize,
        field="schema_location",
    ),
    Option(
        name="cloudFiles.validateOptions",
        default="true",
        meaning="whether unknown options, and known ones not built, are refused",
        parse=parse_flag,
    ),
    Option(
        name="cloudFiles.maxFilesPerTrigger",
        aliases=("maxFilesPerTrigger",),
        default="1000",
        meaning="the most files of a micro-batch",
        parse=parse_count,
        field="max_files",
    ),
    Option(
        name="cloudFiles.maxBytesPerTrigger",
        aliases=("maxBytesPerTrigger",),
        meaning="the bytes of a micro-batch; the file that crosses it is still read",
        parse=parse_bytes,
        field="max_bytes",
    ),
    Option(
        name="cloudFiles.inferColumnTypes",
        default="false",
        meaning="infer the types of columns; otherwise each one is a string",
        parse=parse_flag,
        field="infer_column_types",
    ),
    Option(
        name="cloudFiles.schemaHints",
        aliases=("schemaHints",),
        meaning="names and types of fields that inference does not decide",
        parse=parse_hints,
        field="schema_hints",
    ),
    Option(
        name="cloudFiles.partitionColumns",
        meaning="the keys of folders such as dt=2026-01-01 that become columns",
        parse=_parse_names,
        field="partition_columns",
    ),
    Option(
        name="cloudFiles.schemaEvolutionMode",
        meaning="what happens when a field appears that the schema does not have",
        parse=word_of(EvolutionMode),
        field="evolution_mode",
    ),
    Option(
        name="rescuedDataColumn",
        aliases=("cloudFiles.rescuedDataColumn",),
        default=RESCUED_DATA,
        meaning="the name of the column that holds what did not fit, as JSON",
        field="rescued_column",
    ),
    Option(
        name="columnNameOfCorruptRecord",
        default=CORRUPT_RECORD,
        meaning="the name of the column that holds a record that cannot be parsed",
        field="corrupt_column",
    ),
    Option(
        name="mode",
        default="PERMISSIVE",
        meaning="go on with a malformed record, or fail",
        parse=_parse_mode,
        field="parse_mode",
    ),
    Option(
        name="sluice.metadataColumn",
        default="true",
        meaning=f"an inferred schema has a column {METADATA}; where it can be hidden, "
        "only if this is given",
        parse=parse_flag,
        field="metadata_column",
    ),
    Option(
        name="sluice.badFiles",
        default="fail",
        meaning="fail at a file that cannot be read, or put it in quarantine",
        parse=_bad_files,
        field="bad_files",
    ),
    Option(
        name="ignoreCorruptFiles",
        default="false",
        meaning="go on without files that cannot be read, and record them",
        parse=parse_flag,
        field="ignore_corrupt",
    ),
    Option(
        name="ignoreMissingFiles",
        default="false",
        meaning="go on without files that are gone, and record them",
        parse=parse_flag,
        field="ignore_missing",
    ),
    Option(
        name="sluice.maxPartitionBytes",
        default="32m",
        meaning="the most bytes of a task",
        parse=parse_bytes,
        field="max_partition_bytes",
    ),
    Option(
        name="sluice.minPartitions",
        default="2",
        meaning="the tasks to aim for where there is work for so many",
        parse=parse_count,
        field="min_partitions",
    ),
    Option(
        name="sluice.pipeline",
        meaning="set by a pipeline's job, which cleans the landing folder by itself",
        field="pipeline",
    ),
    Option(
        name="sluice.runId",
        default="stream",
        meaning="kept with each file and each claim",
        field="run_id",
    ),
    Option(
        name="sluice.discoveredUpTo",
        meaning="set by a pipeline's run: the last `seq` that its preflight discovered",
        parse=int,
        field="discovered_up_to",
    ),
)
_DISCOVERY = (
    Option(
        name="cloudFiles.useStrictGlobber",
        default="false",
        meaning="a wildcard of the path stays within one folder name, as with Spark",
        parse=parse_flag,
        field="strict_globber",
    ),
    Option(
        name="recursiveFileLookup",
        default="true",
        meaning="look into subfolders",
        parse=parse_flag,
        field="recursive",
    ),
    Option(
        name="pathGlobFilter",
        aliases=("cloudFiles.pathGlobFilter", "fileNamePattern"),
        meaning="take only files whose names match",
        field="path_glob_filter",
    ),
    Option(
        name="modifiedAfter",
        meaning="take only files modified after this time",
        parse=parse_moment,
        field="modified_after",
    ),
    Option(
        name="modifiedBefore",
        meaning="take only files modified before this time",
        parse=parse_moment,
        field="modified_before",
    ),
    Option(
        name="cloudFiles.maxFileAge",
        meaning="changes nothing: every file is always remembered",
        parse=parse_interval,
    ),
    Option(
        name="sluice.minFileAge",
        meaning="younger files may be being written and wait for the next listing",
        parse=parse_interval,
        field="min_file_age",
    ),
    Option(
        name="cloudFiles.includeExistingFiles",
        default="true",
        meaning="read what is there at the first start",
        parse=parse_flag,
        field="include_existing",
    ),
    Option(
        name="cloudFiles.allowOverwrites",
        default="false",
        meaning="read a path again when its size, time or etag changes",
        parse=parse_flag,
        field="allow_overwrites",
    ),
    Option(
        name="cloudFiles.backfillInterval",
        meaning="how often a listing must be full",
        parse=parse_interval,
        field="backfill_interval",
    ),
    Option(
        name="cloudFiles.useIncrementalListing",
        default="false",
        meaning="list only what sorts after the last known path",
        parse=word_of(IncrementalListing),
        field="incremental_listing",
    ),
)
_CLEANING = (
    Option(
        name="cloudFiles.cleanSource",
        default="OFF",
        meaning="move or delete landed files whose rows are in the table",
        parse=parse_clean_mode,
        field="clean_source",
    ),
    Option(
        name="cloudFiles.cleanSource.retentionDuration",
        default="30 days",
        meaning="how long after its commit a file stays",
        parse=partial(parse_duration, months=True),
        field="clean_retention",
    ),
    Option(
        name="cloudFiles.cleanSource.moveDestination",
        meaning="where MOVE puts files",
        parse=normalize,
        field="move_destination",
    ),
    Option(
        name="cloudFiles.cleanSource.waitForCompletion",
        default="false",
        meaning="changes nothing: cleaning always comes to its end",
        parse=parse_flag,
    ),
)
_NOT_BUILT = (
    Option(
        name="badRecordsPath",
        meaning="a folder for records that cannot be parsed",
        only="",
    ),
    Option(
        name="readerCaseSensitive",
        default="true",
        meaning="whether names of columns differ by case",
        only="true",
    ),
)
_LISTED = "leave it out: files are found by listing the path"
_FILE_EVENTS = (
    Option(
        name="cloudFiles.useNotifications",
        default="false",
        meaning="discover files by notifications of the cloud",
        only="false",
        instead=_LISTED,
    ),
    Option(
        name="cloudFiles.useManagedFileEvents",
        default="false",
        meaning="discover files by the platform's own events",
        only="false",
        instead=_LISTED,
    ),
    Option(
        name="cloudFiles.listOnStart",
        default="false",
        meaning="begin to read events by a listing",
        only="false",
        instead=_LISTED,
    ),
    *(
        Option(
            name=f"cloudFiles.{name}",
            meaning="how the notifications of a cloud are set up and read",
            only="",
            instead=_LISTED,
        )
        for name in (
            *("fetchParallelism", "pathRewrites", "region", "queueUrl"),
            *("restrictNotificationSetupToSameAWSAccountId", "awsAccessKey"),
            *("awsSecretKey", "roleArn", "roleExternalId", "roleSessionName"),
            *("stsEndpoint", "resourceGroup", "subscriptionId", "tenantId"),
            *("clientId", "clientSecret", "connectionString", "queueName"),
            *("client", "clientEmail", "privateKey", "privateKeyId", "project"),
            "subscription",
        )
    ),
)
OPTIONS = (*_READING, *_DISCOVERY, *_CLEANING, *_NOT_BUILT, *_FILE_EVENTS)
