"""The test that proves each option: what docs/options.md cites."""

from __future__ import annotations

from sluice.values import Option

REFUSED = "unit/options/test_options.py::test_other_value_is_refused_with_what_to_do"
_OPTIONS = "unit/options/test_options.py"
_NOTHING = f"{_OPTIONS}::test_option_that_changes_nothing_is_read"
_MOMENTS = "unit/formats/test_csv_values.py::test_patterns_of_dates_and_times"
_CSV = "unit/formats/test_csv.py"
_CSV_MEANING = f"{_CSV}::test_options_mean_what_sparks_mean"
_LENIENT = "unit/formats/test_json_leniency.py::test_option_takes_what_it_names_alone"
_JSON = "unit/formats/test_json_options.py"
_MOMENTS_OF_JSON = "spark/test_json_options.py::test_rows_are_those_of_sparks_reader"
_INFERRED = "spark/test_json_options.py::test_schema_is_the_one_that_spark_infers"
_CASE = "unit/formats/test_names.py::test_case_of_a_name_may_not_count"
_CASE_OF_HEADERS = "unit/formats/test_names.py::test_case_of_a_header_may_not_count"
_PROOFS = {
    "limits": {
        "sluice.maxExpansion": "hostile/test_bombs.py::"
        "test_content_beyond_the_expansion_is_a_bad_file",
        "sluice.maxFileMemory": "hostile/test_bombs.py::test_memory_stays_bounded",
        "sluice.maxInferredColumns": "hostile/test_columns.py::"
        "test_inference_ends_at_the_limit",
        "sluice.maxNameLength": "hostile/test_columns.py::test_long_name_is_no_column",
    },
    "reading": {
        "path": f"{_OPTIONS}::test_path_and_format_are_required",
        "cloudFiles.format": f"{_OPTIONS}::test_format_is_read_in_any_case",
        "cloudFiles.schemaLocation": f"{_OPTIONS}::"
        "test_without_schema_location_it_follows_from_what_is_discovered",
        "cloudFiles.validateOptions": f"{_OPTIONS}::"
        "test_unknown_option_is_let_through_on_request",
        "cloudFiles.maxFilesPerTrigger": "spark/source/test_batches.py::"
        "test_files_per_trigger_cut_the_batches",
        "cloudFiles.maxBytesPerTrigger": "spark/source/test_batches.py::"
        "test_bytes_per_trigger_cut_the_batches",
        "cloudFiles.inferColumnTypes": "spark/source/test_rows.py::"
        "test_inferred_types_on_request",
        "cloudFiles.schemaHints": "unit/schema/test_hints.py::"
        "test_inferred_schema_is_kept_with_its_hints",
        "cloudFiles.partitionColumns": "spark/test_partition_columns.py::"
        "test_explicit_schema_takes_the_named_ones",
        "cloudFiles.schemaEvolutionMode": "spark/source/test_evolution.py::"
        "test_mode_decides_if_new_fields_are_columns",
        "rescuedDataColumn": "spark/test_metadata.py::"
        "test_rescued_data_column_is_added_to_an_explicit_schema",
        "columnNameOfCorruptRecord": "unit/reading/test_read.py::"
        "test_columns_of_ours_may_be_called_otherwise",
        "mode": "spark/source/test_dropped.py::"
        "test_rows_are_those_that_sparks_reader_gives",
        "badRecordsPath": "spark/source/test_dropped.py::"
        "test_malformed_records_are_kept_as_databricks_keeps_them",
        "sluice.metadataColumn": "spark/test_metadata.py::"
        "test_metadata_is_an_ordinary_column_where_asked",
        "sluice.badFiles": f"{_OPTIONS}::test_policy_says_which_bad_files_are_left_out",
        "ignoreCorruptFiles": f"{_OPTIONS}::"
        "test_policy_says_which_bad_files_are_left_out",
        "ignoreMissingFiles": f"{_OPTIONS}::"
        "test_policy_says_which_bad_files_are_left_out",
        "sluice.maxPartitionBytes": "spark/source/test_rows.py::"
        "test_large_file_is_read_by_many_tasks",
        "sluice.minPartitions": "unit/reading/test_partition.py::"
        "test_many_small_files_share_few_tasks",
        "sluice.pipeline": "local/cleanup/test_stream.py::"
        "test_pipeline_cleans_by_itself",
        "sluice.readFiles": f"{_OPTIONS}::test_names_of_read_files_get_the_prefix",
        "sluice.runId": "local/source/test_datasource.py::"
        "test_run_is_kept_with_each_file_and_claim",
        "sluice.discoveredUpTo": "spark/test_bronze.py::"
        "test_run_reads_what_its_preflight_discovered",
    },
    "discovery": {
        "cloudFiles.useStrictGlobber": "unit/options/test_globs.py::"
        "test_load_path_is_read_by_either_globber",
        "recursiveFileLookup": "unit/discovery/test_listing.py::"
        "test_subfolders_only_when_recursive",
        "sluice.followLinks": "hostile/test_links.py::test_link_that_leads_out",
        "pathGlobFilter": "unit/discovery/test_listing.py::"
        "test_glob_filter_takes_names_as_hadoop_does",
        "modifiedAfter": "unit/options/test_filters.py::test_both_ends_are_exclusive",
        "modifiedBefore": "unit/options/test_filters.py::test_both_ends_are_exclusive",
        "cloudFiles.maxFileAge": f"{_OPTIONS}::"
        "test_max_file_age_is_accepted_and_does_nothing",
        "sluice.minFileAge": "local/discovery/test_run.py::"
        "test_young_file_waits_for_the_next_listing",
        "cloudFiles.includeExistingFiles": "local/discovery/test_run.py::"
        "test_existing_files_are_left_out_at_the_first_start_only",
        "cloudFiles.allowOverwrites": "local/discovery/test_run.py::"
        "test_each_version_of_a_name_has_a_seq_with_overwrites",
        "cloudFiles.backfillInterval": "local/test_watch.py::"
        "test_miss_is_found_by_the_full_listing_and_counted",
        "cloudFiles.useIncrementalListing": "local/discovery/test_incremental.py::"
        "test_name_out_of_order_is_found_by_the_full_listing_and_reported",
    },
    "cleaning": {
        "cloudFiles.cleanSource": "local/cleanup/test_pipeline.py::"
        "test_committed_file_is_moved_with_its_path_and_recorded",
        "cloudFiles.cleanSource.retentionDuration": "local/cleanup/test_pipeline.py::"
        "test_retention_counts_from_the_commit",
        "cloudFiles.cleanSource.moveDestination": "unit/options/test_clean.py::"
        "test_destination_within_the_source_or_around_it_is_refused",
        "cloudFiles.cleanSource.waitForCompletion": _NOTHING,
    },
    "json": {
        "readerCaseSensitive": _CASE,
        "multiLine": "unit/formats/test_json.py::"
        "test_document_is_one_object_or_an_array",
        "encoding": f"{_JSON}::test_text_of_an_encoding_is_that_text",
        "lineSep": f"{_JSON}::test_lines_end_as_the_option_says",
        "dateFormat": _MOMENTS_OF_JSON,
        "timestampFormat": _MOMENTS_OF_JSON,
        "timestampNTZFormat": _MOMENTS_OF_JSON,
        "singleVariantColumn": "unit/formats/test_json_variants.py::"
        "test_record_is_the_variant_of_the_one_column",
        "sluice.maxContentBytes": "unit/formats/test_json.py::"
        "test_document_beyond_the_limit_is_a_bad_file",
        "primitivesAsString": _INFERRED,
        "prefersDecimal": _INFERRED,
        "inferTimestamp": _INFERRED,
        "dropFieldIfAllNull": _INFERRED,
        "allowSingleQuotes": _LENIENT,
        "allowUnquotedFieldNames": _LENIENT,
        "allowNonNumericNumbers": _LENIENT,
        "allowComments": _LENIENT,
        "allowUnquotedControlChars": _LENIENT,
        "allowNumericLeadingZeros": _LENIENT,
        "allowBackslashEscapingAnyCharacter": _LENIENT,
    },
    "csv": {
        "readerCaseSensitive": _CASE_OF_HEADERS,
        "header": f"{_CSV}::test_header_maps_by_name",
        "sep": _CSV_MEANING,
        "quote": f"{_CSV}::test_quotes_can_be_others_or_none",
        "escape": f"{_CSV}::test_quote_may_escape_itself",
        "comment": _CSV_MEANING,
        "nullValue": _CSV_MEANING,
        "emptyValue": _CSV_MEANING,
        "encoding": f"{_CSV}::test_other_encodings",
        "multiLine": f"{_CSV}::test_document_has_line_ends_in_quotes",
        "lineSep": _NOTHING,
        "skipRows": _CSV_MEANING,
        "ignoreLeadingWhiteSpace": _CSV_MEANING,
        "ignoreTrailingWhiteSpace": _CSV_MEANING,
        "dateFormat": _MOMENTS,
        "timestampFormat": _MOMENTS,
        "timestampNTZFormat": _MOMENTS,
        "maxColumns": f"{_CSV}::test_record_with_too_many_cells_is_corrupt",
        "sluice.maxContentBytes": "unit/formats/test_csv_blocks.py::"
        "test_file_that_must_be_read_at_once_has_a_limit",
        "mergeSchema": _NOTHING,
        "enforceSchema": _NOTHING,
        "unescapedQuoteHandling": "unit/formats/test_csv_quotes.py::"
        "test_cells_are_cut_as_asked",
        "singleVariantColumn": "unit/formats/test_csv_variants.py::"
        "test_cells_are_named_by_the_header",
    },
    "parquet": {
        "readerCaseSensitive": _CASE,
        "mergeSchema": _NOTHING,
        "datetimeRebaseMode": "unit/formats/test_parquet.py::"
        "test_old_date_of_another_calendar_is_refused",
        "int96RebaseMode": "unit/formats/test_parquet.py::"
        "test_int96_has_a_mode_of_its_own",
    },
    "text": {
        "wholeText": "unit/formats/test_text.py::test_rows_are_lines_as_spark_has_them",
        "lineSep": "unit/formats/test_text.py::test_rows_are_lines_as_spark_has_them",
        "sluice.maxContentBytes": "unit/formats/test_text.py::"
        "test_large_file_does_not_become_one_value",
    },
    "binaryFile": {
        "sluice.maxContentBytes": "unit/formats/test_binary_file.py::"
        "test_large_file_does_not_become_one_value",
    },
}


def proof_of(section: str, row: Option) -> str:
    """Return the test that proves an option of a table of docs/options.md."""
    return _PROOFS[section][row.name] if row.only is None else REFUSED


def stale_proofs(section: str, rows: tuple[Option, ...]) -> set[str]:
    """Return the names that have a test here and are no option that works."""
    return set(_PROOFS.get(section, ())) - {row.name for row in rows if not row.only}
