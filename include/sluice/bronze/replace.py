"""Replace the rows of landed files in a table, in one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from delta.tables import DeltaTable
from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.columns import SOURCE_FILE

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

FILE = "_replayed_file"
_IS_KEY = "_is_replayed_file"


def replace_by_file(
    location: str, rows: DataFrame, files: DataFrame, *, where: Column
) -> None:
    """Take out the rows of ``files`` and put in ``rows``, in one commit.

    The files are paths in the column ``FILE``. Only rows that meet ``where`` go, which
    names the table ``t``. A MERGE, because a condition that lists thousands of paths
    takes longer to analyse than the table to write, and ends up in the log.
    """
    keys = files.withColumn(_IS_KEY, F.expr("true"))
    # No row has the key of another, or a shuffle would put them all in one place.
    number = F.concat(F.lit("\0"), F.monotonically_increasing_id().cast("string"))
    source = rows.withColumn(FILE, number).unionByName(keys, allowMissingColumns=True)
    is_outgoing = F.col(f"t.{SOURCE_FILE}") == F.col(f"s.{FILE}")
    merge = (
        DeltaTable.forPath(rows.sparkSession, location)
        .alias("t")
        .merge(source.alias("s"), where & is_outgoing)
        .withSchemaEvolution()
        .whenMatchedDelete()
        .whenNotMatchedInsert(
            F.col(f"s.{_IS_KEY}").isNull(),
            {f"`{name}`": F.col(f"s.`{name}`") for name in rows.columns},
        )
    )
    merge.execute()
