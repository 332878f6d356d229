"""How Spark finds ``format("cloudFiles")`` with no registration.

Spark's Python workers import every top-level module named ``pyspark_*`` and take its
``DefaultSource`` for a data source (pyspark/sql/worker/lookup_data_sources.py).
"""

from sluice.source.datasource import CloudFilesDataSource as DefaultSource

__all__ = ["DefaultSource"]
