"""What a pipeline file may say of a table of current rows."""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sluice.config.aggregates import require_row_expression
from sluice.config.block import Block, Name, as_list


class CurrentConfig(Block):
    """One table with the newest row of each key of bronze.

    Of rows with the same ``merge_keys`` the one with the greatest ``sequence_by`` is
    taken. With ``scd_type`` 2 the table has all of them, and how long each was valid.
    """

    name: Name
    merge_keys: Annotated[
        tuple[str, ...], BeforeValidator(as_list), Field(min_length=1)
    ]
    sequence_by: str
    delete_when: Annotated[str, AfterValidator(require_row_expression)] | None = None
    scd_type: Literal[1, 2] = 1
    table: str | None = None

    @model_validator(mode="after")
    def _names_each_column_once(self) -> Self:
        names = [name.lower() for name in (*self.merge_keys, self.sequence_by)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            message = (
                f"'merge_keys' and 'sequence_by' name {twice} twice; the first say "
                "which rows are of one thing, the second which of them is the newest"
            )
            raise ValueError(message)
        return self

    @property
    def keeps_history(self) -> bool:
        """Whether the table has rows that are no longer current, too."""
        return self.scd_type != 1

    @property
    def definition(self) -> str:
        """What the rows of the table depend on, as JSON."""
        found = self.model_dump(mode="json", exclude={"name", "table"})
        found["merge_keys"] = sorted(self.merge_keys)
        return json.dumps(found, sort_keys=True)
