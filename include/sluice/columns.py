"""The names of the columns that the source and bronze add to the landed fields."""

from __future__ import annotations

# The source adds these:
METADATA = "_metadata"
RESCUED_DATA = "_rescued_data"
CORRUPT_RECORD = "_corrupt_record"
# a field within rescued data
FILE_PATH = "_file_path"

# Bronze adds these:
SOURCE_FILE = "_source_file"
PROCESSING_TIME = "_processing_time"
PROCESSING_DATE = "_processing_date"
# the names of the rules that a row violates, null where it violates none
VIOLATIONS = "_violations"
# of rows in quarantine: the micro-batch that read them, null after a replay
QUARANTINE_QUERY = "_quarantine_query"
QUARANTINE_BATCH = "_quarantine_batch"
ADDED_BY_BRONZE = frozenset(
    {
        SOURCE_FILE,
        PROCESSING_TIME,
        PROCESSING_DATE,
        VIOLATIONS,
        QUARANTINE_QUERY,
        QUARANTINE_BATCH,
    }
)

# Silver's table of open windows adds these:
PROVISIONAL = "_provisional"
# the watermark up to which all windows are final
CLOSED_UP_TO = "_closed_up_to"
