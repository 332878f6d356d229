"""Start a query again where its schema has evolved, as Auto Loader's users do."""

from __future__ import annotations

from collections.abc import Callable

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql.streaming.query import StreamingQuery

from sluice.errors import Condition, RetryableError
from sluice.spark.failures import own_error


def is_schema_change(error: BaseException) -> bool:
    """Return True if a query ended since its files have fields that are new.

    The schema has them by then: the query goes on where it is started again. With
    ``failOnNewColumns`` it has not, and this is False.
    """
    if not isinstance(error, PySparkException | Py4JJavaError):
        return False
    ours = own_error(error)
    evolved = Condition.UNKNOWN_FIELD_EXCEPTION
    return isinstance(ours, RetryableError) and ours.condition is evolved


def run_until_stable(start: Callable[[], StreamingQuery]) -> StreamingQuery:
    """Run a query to its end, and again after each change of its schema.

    ``start`` makes the stream by ``spark.readStream``, starts it and returns the query.
    The query that came to its end is returned.

    Raises:
        PySparkException: the query failed for another reason, or twice for the same.
    """
    before = ""
    while True:
        query = start()
        try:
            query.awaitTermination()
        except PySparkException as error:
            ours = str(own_error(error))
            if not is_schema_change(error) or ours == before:
                raise
            before = ours
        else:
            return query
