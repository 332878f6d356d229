"""Mend a pipeline whose checkpoint, ledger and table no longer belong together."""
