"""When a query runs its micro-batches: from a word on the command line to Spark."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sluice.errors import Condition, UsageError
from sluice.times import spark_duration

if TYPE_CHECKING:
    from pyspark.sql.streaming.readwriter import DataStreamWriter

_LOG = logging.getLogger(__name__)

EXAMPLES = ("available-now", "once", "processing-time=30s", "default")
_REFUSED = {
    "continuous": "continuous processing has no aggregations, no exactly-once and no "
    "Delta source or sink",
    "real-time": "real-time mode has no append to a Delta table",
}


class TriggerKind(StrEnum):
    """The triggers that a query from files to a Delta table can have."""

    AVAILABLE_NOW = "available-now"
    ONCE = "once"
    PROCESSING_TIME = "processing-time"
    DEFAULT = "default"


@dataclass(frozen=True)
class Trigger:
    """One trigger; ``interval`` is Spark's spelling and only for processing time."""

    kind: TriggerKind
    interval: str | None = None

    @property
    def ends_by_itself(self) -> bool:
        """Whether the query ends once it has taken in what was there."""
        return self.kind in {TriggerKind.AVAILABLE_NOW, TriggerKind.ONCE}

    @property
    def note(self) -> str | None:
        """What the user should know about this trigger."""
        if self.kind is not TriggerKind.ONCE:
            return None
        return (
            "trigger 'once' is Spark's old one: a single micro-batch without limits, "
            "and windows that it closes come out only after more rows have come; "
            "use 'available-now'"
        )


AVAILABLE_NOW = Trigger(TriggerKind.AVAILABLE_NOW)


def parse_trigger(text: str) -> Trigger:
    """Parse ``available-now``, ``once``, ``default`` or ``processing-time=30s``.

    Spark's own spellings (``availableNow``, ``processingTime=30 seconds``) are
    understood as well.

    Raises:
        UsageError: anything else; ``continuous`` is refused with the reason.
    """
    kind, equals, interval = _kebab(text).partition("=")
    if kind in _REFUSED:
        raise _unsupported_error(text, _REFUSED[kind])
    if kind == TriggerKind.PROCESSING_TIME:
        return Trigger(TriggerKind.PROCESSING_TIME, _interval(text, interval))
    if equals or kind not in set(TriggerKind):
        raise _unsupported_error(text, "it is not known")
    return Trigger(TriggerKind(kind))


def apply_trigger(writer: DataStreamWriter, trigger: Trigger) -> DataStreamWriter:
    """Set ``trigger`` on ``writer`` and return it; the legacy ``once`` warns."""
    if trigger.note:
        _LOG.warning("%s", trigger.note)
    if trigger.kind is TriggerKind.AVAILABLE_NOW:
        return writer.trigger(availableNow=True)
    if trigger.kind is TriggerKind.ONCE:
        return writer.trigger(once=True)
    if trigger.interval is not None:
        return writer.trigger(processingTime=trigger.interval)
    return writer


def _kebab(text: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"-\1", text.strip()).lower()


def _interval(text: str, interval: str) -> str:
    try:
        return spark_duration(interval)
    except ValueError as error:
        raise _unsupported_error(text, f"{interval!r} is not {error}") from None


def _unsupported_error(text: str, reason: str) -> UsageError:
    return UsageError(
        Condition.TRIGGER_UNSUPPORTED,
        f"trigger {text!r} cannot be used: {reason}; use one of {list(EXAMPLES)}",
        {"trigger": text},
    )
