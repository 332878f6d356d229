"""Rules on rows: what each expectation of a pipeline makes of a row."""
