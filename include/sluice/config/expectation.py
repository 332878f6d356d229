"""What a pipeline file may say of good rows: of bronze, and of silver's windows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from sluice.config.aggregates import require_row_expression
from sluice.config.block import Block

UNIQUE_KEY = "unique_key"
"""The rule that a key is there once among the rows that are read together."""
ROWS_OF_KEY = "_sluice_rows_of_key"
"""The column of how many rows have the key of a row, while they are judged."""
Expression = Annotated[str, AfterValidator(require_row_expression)]


class Expectation(Block):
    """What holds for a good row, and what becomes of one for which it is not true."""

    expect: Expression
    on_violation: Literal["warn", "quarantine", "fail"] = "warn"
