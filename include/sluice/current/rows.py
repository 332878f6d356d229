"""From rows of bronze to the newest of each key, or to how long each was valid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812 - its usual name
from pyspark.sql.types import BooleanType

from sluice.columns import PROCESSING_TIME, SOURCE_FILE
from sluice.config import CurrentConfig
from sluice.errors import Condition, UsageError

if TYPE_CHECKING:
    from pyspark.sql.types import StructField, StructType

DELETED = "_deleted"
VALID_FROM, VALID_TO = "_valid_from", "_valid_to"
_KEPT, _RANK = "_sluice_kept", "_sluice_rank"


@dataclass(frozen=True)
class CurrentRows:
    """What a table of current rows is to hold of given rows of bronze.

    They are computed by Spark when they are written; nothing is read before.
    """

    current: CurrentConfig

    @property
    def keys(self) -> list[str]:
        """The columns that say which rows are of one thing."""
        return list(self.current.merge_keys)

    @property
    def identity(self) -> list[str]:
        """The columns that say which row of the table a row is."""
        return self.keys + ([VALID_FROM] if self.current.keeps_history else [])

    def usable(self) -> Column:
        """Return whether a row has a key and a place in its sequence."""
        names = [*self.keys, self.current.sequence_by]
        return F.expr(" AND ".join(f"{_quoted(name)} IS NOT NULL" for name in names))

    def prepare(self, bronze: DataFrame) -> DataFrame:
        """Add what the table says of a row by itself; leave out what has no place."""
        rows = bronze.where(self.usable())
        if self.current.delete_when is not None:
            deleted = F.coalesce(F.expr(self.current.delete_when), F.lit(False))  # noqa: FBT003
            rows = rows.withColumn(DELETED, deleted)
        if self.current.keeps_history:
            rows = rows.withColumn(VALID_FROM, column_of(self.current.sequence_by))
            rows = rows.withColumn(VALID_TO, F.lit(None).cast(self._sequence(rows)))
        return rows

    def newest(self, prepared: DataFrame, kept: DataFrame | None = None) -> DataFrame:
        """Return the row of each identity that came last, and until when it was valid.

        ``kept`` are rows of the table. Of two that are one the prepared one is taken,
        which may have been written again since.
        """
        rows = prepared.withColumn(_KEPT, F.lit(0))
        if kept is not None:
            others = kept.withColumn(_KEPT, F.lit(1))
            rows = rows.unionByName(others, allowMissingColumns=True)
        last = [each.desc() for each in self._order(rows)]
        by = [column_of(each) for each in self.identity]
        ranked = rows.withColumn(
            _RANK, F.row_number().over(Window.partitionBy(*by).orderBy(*last))
        )
        found = ranked.where(F.col(_RANK) == 1).drop(_RANK, _KEPT)
        if not self.current.keeps_history:
            return found
        versions = Window.partitionBy(*map(column_of, self.keys)).orderBy(VALID_FROM)
        return found.withColumn(VALID_TO, F.lead(VALID_FROM).over(versions))

    def is_newer(self, source: str, target: str) -> Column:
        """Return whether a row called ``source`` in a MERGE came behind the other."""
        names = [self.current.sequence_by, PROCESSING_TIME, SOURCE_FILE]
        mine, other = (
            F.struct(*(F.col(f"{alias}.{_quoted(name)}") for name in names))
            for alias in (source, target)
        )
        return mine > other

    def _order(self, rows: DataFrame) -> list[Column]:
        """Return by what rows of one identity are ordered, no two of them alike."""
        whole = [_hashed(rows.schema[each]) for each in sorted(rows.columns)]
        return [
            column_of(self.current.sequence_by),
            F.col(PROCESSING_TIME),
            F.col(SOURCE_FILE),
            -F.col(_KEPT),
            F.xxhash64(*whole),
        ]

    def _added(self) -> set[str]:
        """Return the columns that the table has, and bronze has not."""
        added = {VALID_FROM, VALID_TO} if self.current.keeps_history else set()
        return added | ({DELETED} if self.current.delete_when is not None else set())

    def _sequence(self, rows: DataFrame) -> str:
        return rows.schema[self.current.sequence_by].dataType.simpleString()

    def require_columns(self, bronze: DataFrame) -> None:
        """Refuse what bronze cannot give.

        Raises:
            UsageError: it names every wrong key of the pipeline file.
        """
        wrong = list(self._wrong(bronze))
        if wrong:
            raise UsageError(
                Condition.CONFIG_INVALID,
                f"current {self.current.name!r}: {'; '.join(wrong)}; correct the "
                "pipeline file",
                {"current": self.current.name},
            )

    def _wrong(self, bronze: DataFrame) -> Iterator[str]:
        named = [*self.keys, self.current.sequence_by]
        missing = [name for name in named if name not in bronze.columns]
        if missing:
            yield (
                f"bronze has no columns {missing}, it has {sorted(bronze.columns)}; "
                "name those in cloudFiles.schemaHints that files will have"
            )
        taken = sorted({name.lower() for name in bronze.columns} & self._added())
        if taken:
            yield (
                f"bronze has columns {taken}, which the table adds by itself; declare "
                "bronze.source.schema without them, and they are rescued"
            )
        if not (missing or taken):
            yield from self._wrong_types(bronze)

    def _wrong_types(self, bronze: DataFrame) -> Iterator[str]:
        for name in [*self.keys, self.current.sequence_by]:
            try:
                bronze.orderBy(column_of(name)).schema  # noqa: B018 - analyses it
            except AnalysisException:
                kind = bronze.schema[name].dataType.simpleString()
                yield f"column {name!r} is {kind}, which has no order"
        if self.current.delete_when is None:
            return
        try:
            found: StructType = bronze.select(F.expr(self.current.delete_when)).schema
        except AnalysisException as error:
            reason = str(error).split("\n")[0]
            yield f"delete_when {self.current.delete_when!r} is wrong: {reason}"
        else:
            if found[0].dataType != BooleanType():
                kind = found[0].dataType.simpleString()
                yield f"delete_when is {kind}, and a condition is to be true or false"


def same(names: Sequence[str], one: str, other: str) -> Column:
    """Return whether two aliases agree in columns that are null in neither."""
    return reduce(
        and_,
        (
            F.col(f"{one}.{_quoted(each)}") == F.col(f"{other}.{_quoted(each)}")
            for each in names
        ),
    )


def _hashed(field: StructField) -> Column:
    """Return a column as what Spark has a hash of: it has none of maps and variants."""
    kind, column = field.dataType.simpleString(), column_of(field.name)
    has_none = "map<" in kind or "variant" in kind
    return F.to_json(F.struct(column)) if has_none else column


def column_of(name: str) -> Column:
    """Return the column called ``name``, whatever is in the name."""
    return F.col(_quoted(name))


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
