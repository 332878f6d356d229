"""What the blocks of a pipeline file share: frozen, no unknown key, durations."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sluice.times import spark_duration


class Block(BaseModel):
    """A block of the pipeline file: read once, never changed, no unknown key."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def as_list(value: object) -> object:
    """Return a text as the only one of a list, and anything else as it is."""
    return [value] if isinstance(value, str) else value


def _require_duration(text: str) -> str:
    try:
        return spark_duration(text)
    except ValueError as error:
        message = f"expected {error}, got {text!r}"
        raise ValueError(message) from None


Duration = Annotated[str, AfterValidator(_require_duration)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
