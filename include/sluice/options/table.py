"""The table of options: every name that ``format("cloudFiles")`` knows, once.

A format brings rows of its own (``Format.options``).

Names and meanings are those of Auto Loader's public documentation; names that begin
with ``sluice.`` are our own.
"""

from __future__ import annotations

from enum import StrEnum

from sluice.columns import CORRUPT_RECORD, RESCUED_DATA
from sluice.options.clean import CLEANING
from sluice.options.discovery import DISCOVERY
from sluice.options.hints import parse_hints
from sluice.options.limits import LIMITS
from sluice.options.refused import FILE_EVENTS
from sluice.paths import normalize, normalize_tables
from sluice.values import (
    Option,
    parse_bytes,
    parse_count,
    parse_flag,
    word_of,
)


class EvolutionMode(StrEnum):
    """What happens when a field appears that the schema does not have."""

    ADD_NEW_COLUMNS = "addNewColumns"
    WIDEN = "addNewColumnsWithTypeWidening"
    RESCUE = "rescue"
    FAIL_ON_NEW_COLUMNS = "failOnNewColumns"
    NONE = "none"


class ParseMode(StrEnum):
    """What happens to a record that is malformed."""

    PERMISSIVE = "PERMISSIVE"
    FAILFAST = "FAILFAST"
    DROPMALFORMED = "DROPMALFORMED"


def _parse_names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def _bad_files(text: str) -> str:
    if text not in {"fail", "quarantine"}:
        message = "'fail' or 'quarantine'"
        raise ValueError(message)
    return text


READING = (
    Option(
        name="path",
        meaning="given to `.load(path)`: a folder, a file, or a glob: `?` `*` "
        "`[a-z]` `[^a]` `{x,y}`. A folder that exists means itself, whatever its "
        "name. Listing begins below the last folder without a wildcard",
        otherwise="required",
        parse=normalize,
        field="path",
    ),
    Option(
        name="cloudFiles.format",
        meaning="`json`, `csv`, `parquet`, `text` or `binaryFile`, in any case, with "
        "the options of [its own](#formats)",
        otherwise="required",
    ),
    Option(
        name="cloudFiles.schemaLocation",
        meaning="where the ledger (`_ledger`) and the schemas (`_schemas`) live; set "
        "it",
        otherwise="a folder under `SLUICE_LAKE`, logged",
        parse=normalize_tables,
        field="schema_location",
    ),
    Option(
        name="cloudFiles.validateOptions",
        default="true",
        meaning="false: unknown options and those that are refused are passed over",
        parse=parse_flag,
    ),
    Option(
        name="cloudFiles.maxFilesPerTrigger",
        aliases=("maxFilesPerTrigger",),
        meaning="most files of a micro-batch",
        otherwise="1,000, or up to 20,000 while they hold less than 64 MB in all",
        parse=parse_count,
        field="max_files",
    ),
    Option(
        name="cloudFiles.maxBytesPerTrigger",
        aliases=("maxBytesPerTrigger",),
        meaning="soft: the file that crosses it is still read; `10g`, `512m`, plain "
        "bytes. The lower of both limits wins; `trigger(once=True)` ignores both",
        parse=parse_bytes,
        field="max_bytes",
    ),
    Option(
        name="cloudFiles.inferColumnTypes",
        default="false",
        meaning="without an explicit schema: false makes every column a string, true "
        "infers long, double, boolean, struct, array",
        parse=parse_flag,
        field="infer_column_types",
    ),
    Option(
        name="cloudFiles.schemaHints",
        aliases=("schemaHints",),
        meaning="names and types of fields that inference does not decide, as in SQL: "
        "[schemas](schema.md#hints). Refused where a schema is given",
        parse=parse_hints,
        field="schema_hints",
    ),
    Option(
        name="cloudFiles.partitionColumns",
        meaning="folders below the path such as `dt=2026-01-01` give columns. An "
        "inferred schema has them last, as strings, or with `inferColumnTypes` as "
        "Spark infers them (integers of more than 18 digits and `1e5` stay strings); "
        "they are kept with the schema. A list takes those alone, an empty value "
        "none. An explicit schema has to name its columns of folders here, and takes "
        "none otherwise. A file without the key has null; a value that does not fit "
        "is rescued; a field of the same name in the file is rescued as an unknown "
        "one",
        otherwise="the keys of folders",
        parse=_parse_names,
        field="partition_columns",
    ),
    Option(
        name="cloudFiles.schemaEvolutionMode",
        meaning="what happens to a field that the schema lacks: [schemas](schema.md)",
        otherwise="`addNewColumns`; `none` where a schema is given",
        parse=word_of(EvolutionMode),
        field="evolution_mode",
    ),
    Option(
        name="rescuedDataColumn",
        aliases=("cloudFiles.rescuedDataColumn",),
        default=RESCUED_DATA,
        meaning="name of the column with what did not fit, as JSON with exact text "
        "and `_file_path`. Where it is given, an explicit schema that lacks the "
        "column gets it as the last one; in a session [without the "
        "jar](#the-column-_metadata) name it in the schema, or what does not fit is "
        "lost",
        field="rescued_column",
    ),
    Option(
        name="columnNameOfCorruptRecord",
        default=CORRUPT_RECORD,
        meaning="filled with a line that is no JSON object where the schema names "
        "the column",
        field="corrupt_column",
    ),
    Option(
        name="mode",
        default="PERMISSIVE",
        meaning="`FAILFAST`: a record that cannot be parsed fails the batch, naming "
        "the file; so does a value that does not fit, unless there is a column of "
        "rescued data. `DROPMALFORMED`, of json and csv: such a record [gives no "
        "row](#records-that-are-dropped), and is counted",
        parse=word_of(ParseMode),
        field="parse_mode",
    ),
    Option(
        name="badRecordsPath",
        meaning="a folder outside the source, for json and csv: what "
        "`DROPMALFORMED` drops is kept there, and so is the name of each file that "
        "is left out, as with `sluice.badFiles=quarantine`: [records that are "
        "dropped](#records-that-are-dropped)",
        parse=normalize,
        field="bad_records_path",
    ),
    Option(
        name="sluice.metadataColumn",
        default="true",
        meaning="`true`: an inferred schema has an ordinary column `_metadata`; see "
        "[below](#the-column-_metadata)",
        otherwise="hidden",
        parse=parse_flag,
        field="metadata_column",
    ),
    Option(
        name="sluice.badFiles",
        default="fail",
        meaning="`quarantine`: a file that is gone, cannot be decompressed, or "
        "differs from its discovery in size, modification time or etag, before or "
        "after it was read, is left out and recorded in the ledger. A file that "
        "several tasks read, or with more than 256 MB of rows, fails the attempt "
        "that finds it, and the next one leaves it out. With "
        "`cloudFiles.allowOverwrites` a version that was written over is recorded as "
        "replaced instead, whatever this option says",
        parse=_bad_files,
        field="bad_files",
    ),
    Option(
        name="ignoreCorruptFiles",
        default="false",
        meaning="true: a file that cannot be decompressed, is not of its format, or "
        "differs from its discovery is left out and recorded in the ledger, as with "
        "`sluice.badFiles=quarantine`",
        parse=parse_flag,
        field="ignore_corrupt",
    ),
    Option(
        name="ignoreMissingFiles",
        default="false",
        meaning="true: the same for a file that is gone since its discovery",
        parse=parse_flag,
        field="ignore_missing",
    ),
    Option(
        name="sluice.maxPartitionBytes",
        default="32m",
        meaning="most bytes of a task, in which each file counts 4 KB more; larger "
        "files are split by lines. Files of json and csv up to 64 KB are parsed many "
        "at once",
        parse=parse_bytes,
        field="max_partition_bytes",
    ),
    Option(
        name="sluice.minPartitions",
        default="2",
        meaning="tasks to aim for where there is work for so many",
        parse=parse_count,
        field="min_partitions",
    ),
    Option(
        name="sluice.pipeline",
        meaning="set by a pipeline's job, which cleans the landing folder by itself; "
        "leave it out",
        field="pipeline",
    ),
    Option(
        name="sluice.readFiles",
        default="false",
        meaning="set by the SQL function [`read_files`](#in-sql); leave it out",
        parse=parse_flag,
    ),
    Option(
        name="sluice.runId",
        default="stream",
        meaning="kept with each file and each claim",
        field="run_id",
    ),
    Option(
        name="sluice.discoveredUpTo",
        meaning="set by a pipeline's run: the last `seq` that its preflight "
        "discovered; the query reads up to it and lists nothing",
        parse=int,
        field="discovered_up_to",
    ),
)
OPTIONS = (*READING, *LIMITS, *DISCOVERY, *CLEANING, *FILE_EVENTS)
