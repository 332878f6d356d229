"""Every option that Auto Loader documents works here, or says what to do."""

from __future__ import annotations

import pytest

from sluice.errors import Condition, UsageError
from sluice.formats.registry import FORMATS, format_class
from sluice.options.options import parse_options
from sluice.options.table import OPTIONS

GIVEN = {
    "path": "/in",
    "cloudFiles.format": "json",
    "cloudFiles.schemaLocation": "/schemas",
}
COMMON = """
    format schemaLocation schemaHints schemaEvolutionMode inferColumnTypes
    partitionColumns includeExistingFiles maxFilesPerTrigger maxBytesPerTrigger
    maxFileAge allowOverwrites backfillInterval cleanSource
    cleanSource.retentionDuration cleanSource.moveDestination
    cleanSource.waitForCompletion useStrictGlobber validateOptions useIncrementalListing
"""
CLOUDS = """
    useNotifications useManagedFileEvents listOnStart fetchParallelism pathRewrites
    region restrictNotificationSetupToSameAWSAccountId queueUrl awsAccessKey
    awsSecretKey roleArn roleExternalId roleSessionName stsEndpoint resourceGroup
    subscriptionId tenantId clientId clientSecret connectionString queueName client
    clientEmail privateKey privateKeyId project subscription
"""
FILES = """
    ignoreCorruptFiles ignoreMissingFiles modifiedAfter modifiedBefore pathGlobFilter
    fileNamePattern recursiveFileLookup rescuedDataColumn
    columnNameOfCorruptRecord badRecordsPath mode
"""
OF_FORMATS = {
    "json": """readerCaseSensitive multiLine singleVariantColumn inferTimestamp
        prefersDecimal encoding primitivesAsString dropFieldIfAllNull dateFormat
        timestampFormat lineSep allowSingleQuotes allowUnquotedFieldNames
        allowComments""",
    "csv": """readerCaseSensitive header sep delimiter skipRows enforceSchema
        mergeSchema maxColumns unescapedQuoteHandling preferDate multiLine quote
        escape comment nullValue emptyValue ignoreLeadingWhiteSpace
        ignoreTrailingWhiteSpace dateFormat timestampFormat
        singleVariantColumn locale""",
    "parquet": "readerCaseSensitive mergeSchema datetimeRebaseMode int96RebaseMode",
    "text": "wholeText lineSep encoding",
    "binaryFile": "",
}


def test_common_options_are_known() -> None:
    """Each is a row of the table, under its name there."""
    names = {name for row in OPTIONS for name in row.names}

    wanted = {f"cloudFiles.{name}" for name in (COMMON + CLOUDS).split()}
    assert wanted | set(FILES.split()) <= names


@pytest.mark.parametrize("source_format", FORMATS)
def test_options_of_a_format_are_known(source_format: str) -> None:
    """A name that the format does not know would be passed over with a warning."""
    rows = format_class(source_format).options

    names = {name for row in rows for name in row.names}
    assert set(OF_FORMATS[source_format].split()) <= names


@pytest.mark.parametrize("name", CLOUDS.split())
def test_options_of_a_cloud_are_refused_with_what_to_do(name: str) -> None:
    """Secrets among them stay out of the message."""
    with pytest.raises(UsageError) as caught:
        parse_options(GIVEN | {f"cloudFiles.{name}": "secret"})

    assert caught.value.condition is Condition.OPTION_UNSUPPORTED
    assert f"'cloudFiles.{name}'" in caught.value.message
    assert "files are found by listing the path" in caught.value.message
    assert "secret'" not in caught.value.message
