"""Sessions, as users ask for them: ``from sluice.session import spark_session``."""

from sluice.spark.session import spark_session, storage_conf

__all__ = ["spark_session", "storage_conf"]
