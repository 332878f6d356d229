"""What a pipeline file may say of good rows: of bronze, and of silver's windows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from sluice.config.aggregates import require_row_expression
from sluice.config.block import Block

Expression = Annotated[str, AfterValidator(require_row_expression)]


class Expectation(Block):
    """What holds for a good row, and what becomes of one for which it is not true."""

    expect: Expression
    on_violation: Literal["warn", "quarantine", "fail"] = "warn"
