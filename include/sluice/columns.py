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
ADDED_BY_BRONZE = frozenset({SOURCE_FILE, PROCESSING_TIME, PROCESSING_DATE})
