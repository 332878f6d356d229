"""What a pipeline file may say of a silver table."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sluice.columns import CLOSED_UP_TO, PROVISIONAL, VIOLATIONS
from sluice.config.aggregates import require_row_expression, require_streaming
from sluice.config.block import Block, Duration, Name, as_list
from sluice.config.expectation import Expectation
from sluice.config.moments import require_pattern, require_time_zone
from sluice.intervals import WindowGrid
from sluice.times import parse_duration

_DEFINING = {
    "event_time",
    "window",
    "where",
    "group_by",
    "aggregates",
    "deduplicate",
    # Of windows that are open when it changes, those without new rows would be missing.
    "output_mode",
    # Spark goes by the one with which the query began.
    "state_store",
}
# What a table that is computed whole has no use for.
_OF_STREAMS = {"watermark", "state_store", "late_data", "checkpoint"}
WINDOW_COLUMNS = ("window_start", "window_end")
# What rows have while windows are computed, and then, without regard to case.
_OWN_NAMES = re.compile(
    rf"_sluice_.*|_event_time|_window|{PROVISIONAL}|{CLOSED_UP_TO}|{VIOLATIONS}",
    re.IGNORECASE,
)
# What Delta takes in no name of a column, unless the table maps its columns.
_NOT_IN_NAMES = re.compile(r"[ ,;{}()\n\t=]")


def _as_key(value: object) -> object:
    if value is True:
        message = "name the columns of the key, such as 'deduplicate: [order_id]'"
        raise ValueError(message)
    return () if value is False else as_list(value)


def _keep_windows_together(rules: dict[str, Expectation]) -> dict[str, Expectation]:
    apart = [name for name, each in rules.items() if each.on_violation == "quarantine"]
    if apart:
        message = (
            f"rules {apart}: windows have no quarantine. Each repair, replay, backfill "
            "and drain would have to move them between two tables in two commits, and "
            "a kill between these leaves a window in both or in neither; write "
            "'on_violation: warn', and read the windows whose _violations is null"
        )
        raise ValueError(message)
    return rules


Pattern = Annotated[str, AfterValidator(require_pattern)]
Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(as_list), Field(min_length=1)]
Aggregate = Annotated[str, AfterValidator(require_streaming)]
Condition = Annotated[str, AfterValidator(require_row_expression)]
TimeZone = Annotated[str, AfterValidator(require_time_zone)]


class EventTime(Block):
    """The column that says when a row happened, and how to read it.

    Of several formats the first that fits is taken. A row that happened more than
    ``max_ahead`` after it was read is put aside; None takes every row.
    """

    column: str
    format: Patterns = ("yyyy-MM-dd HH:mm:ss",)
    time_zone: TimeZone = "UTC"
    max_ahead: Duration | None = "1 days"


class Window(Block):
    """The windows that rows are grouped into by event time.

    Sliding windows of ``duration`` begin every ``slide``, so a row is in several. A
    session of a group ends when no row has come for ``gap``.
    """

    type: Literal["tumbling", "sliding", "session"] = "tumbling"
    duration: Duration = "5 minutes"
    slide: Duration | None = None
    gap: Duration | None = None

    @model_validator(mode="after")
    def _has_a_gap_or_not(self) -> Self:
        if self.type != "session":
            if self.gap is not None:
                message = f"{self.type} windows have no gap; say 'type: session'"
                raise ValueError(message)
            return self
        given = {"duration", "slide"} & self.model_fields_set
        if given:
            message = f"a session is as long as its rows: leave out {sorted(given)}"
            raise ValueError(message)
        if self.gap is None or parse_duration(self.gap) <= timedelta():
            message = (
                "a session needs the time without rows that ends it, such as "
                "'gap: 30 minutes'"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _slides_or_not(self) -> Self:
        if self.is_session:
            return self
        grid = self.grid
        if grid.duration <= timedelta():
            message = f"expected a window longer than nothing, got {self.duration!r}"
            raise ValueError(message)
        if self.type == "tumbling" and self.slide is not None:
            message = "tumbling windows have no slide; say 'type: sliding'"
            raise ValueError(message)
        slides = self.slide is not None and timedelta() < grid.slide <= grid.duration
        if self.type == "sliding" and not slides:
            message = (
                f"a sliding window of {self.duration} needs a slide that is no longer, "
                "such as 'slide: 1 minute'"
            )
            raise ValueError(message)
        return self

    @property
    def is_session(self) -> bool:
        """Whether a window is as long as its rows."""
        return self.type == "session"

    @property
    def grid(self) -> WindowGrid:
        """Where the windows begin and end; of sessions, stretches as long as the gap.

        A session is touched where one of its rows is in such a stretch.
        """
        if self.gap is not None:
            gap = parse_duration(self.gap)
            return WindowGrid(gap, gap)
        slide = parse_duration(self.slide or self.duration)
        return WindowGrid(parse_duration(self.duration), slide)


class SilverConfig(Block):
    """One table of windowed aggregates over bronze, or over another of silver."""

    name: Name
    # ``from`` is a word of Python's.
    source: Name | None = Field(default=None, alias="from")
    event_time: EventTime
    watermark: Duration = "10 minutes"
    window: Window = Window()
    where: Condition | None = None
    group_by: list[str] = Field(default_factory=list)
    aggregates: dict[str, Aggregate] = Field(min_length=1)
    output_mode: Literal["append", "update", "complete"] = "append"
    state_store: Literal["memory", "rocksdb"] = "memory"
    late_data: Literal["count", "quarantine", "repair"] = "count"
    deduplicate: Annotated[tuple[str, ...], BeforeValidator(_as_key)] = ()
    live: bool = False
    expectations: Annotated[
        dict[Name, Expectation], AfterValidator(_keep_windows_together)
    ] = Field(default_factory=dict)
    table: str | None = None
    checkpoint: str | None = None

    @model_validator(mode="after")
    def _names_can_be_columns(self) -> Self:
        names = [*WINDOW_COLUMNS, *self.group_by, *self.aggregates]
        lowered = [name.lower() for name in names]
        twice = [name for name in names if lowered.count(name.lower()) > 1]
        odd = [name for name in names if _NOT_IN_NAMES.search(name)]
        if twice:
            message = (
                f"two output columns are called {twice[-1]!r}, for Delta takes no two "
                "names that differ in case only"
            )
            raise ValueError(message)
        own = [name for name in names if _OWN_NAMES.fullmatch(name)]
        if own:
            message = (
                f"{own[0]!r} is a column that Sluice adds to windows, or while it "
                "computes them; use another name"
            )
            raise ValueError(message)
        if odd:
            message = (
                f"{odd[0]!r} is no name of a column of the table; use letters, digits "
                "and _"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _is_computed_whole_or_not(self) -> Self:
        of_streams = sorted(_OF_STREAMS & self.model_fields_set)
        if self.is_complete and of_streams:
            message = (
                "a table of 'output_mode: complete' is computed from all rows, by no "
                f"stream, and has no row that is late; leave out {of_streams}"
            )
            raise ValueError(message)
        if self.source is not None and not self.is_complete:
            message = (
                "'from' needs 'output_mode: complete': no stream can follow a table of "
                "which repairs, replays, backfills and drains write windows again"
            )
            raise ValueError(message)
        if self.source is not None and "max_ahead" in self.event_time.model_fields_set:
            message = (
                "'event_time.max_ahead' is about rows of bronze, which say when they "
                "were read; leave it out of a table with 'from'"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _can_show_open_windows(self) -> Self:
        if self.live and self.output_mode != "append":
            message = (
                f"'live' shows windows that are open, which a table of 'output_mode: "
                f"{self.output_mode}' has already; leave it out"
            )
            raise ValueError(message)
        if self.live and self.window.is_session:
            message = (
                "'live' reads only rows of open windows, and how far back an open "
                "session reaches is known when all rows of bronze are read; leave it "
                "out, or compute a table of its own by 'output_mode: complete'"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _sessions_can_stream(self) -> Self:
        if not self.window.is_session or self.is_complete:
            return self
        if self.output_mode == "update":
            message = (
                "Spark has no update mode for session windows: a row more changes the "
                "bounds of a session, by which its earlier row in the table would be "
                "found; write 'output_mode: append'"
            )
            raise ValueError(message)
        if not self.group_by:
            message = (
                "Spark computes session windows of a stream by groups only; name one "
                "column at least in 'group_by'"
            )
            raise ValueError(message)
        return self

    @property
    def is_complete(self) -> bool:
        """Whether each run with new rows computes the whole table, by no stream."""
        return self.output_mode == "complete"

    @property
    def max_ahead(self) -> str | None:
        """How far ahead of its reading a row may be; None takes every row."""
        return None if self.source is not None else self.event_time.max_ahead

    @property
    def content(self) -> str:
        """What all of a table that is computed whole depends on, as JSON."""
        found = self.model_dump(mode="json", exclude={"name", "table", *_OF_STREAMS})
        return json.dumps(found, sort_keys=True)

    @property
    def definition(self) -> str:
        """What the state and the emitted windows of the query depend on, as JSON."""
        found = self.model_dump(mode="json", include=_DEFINING)
        # What is read from now on may be limited otherwise.
        del found["event_time"]["max_ahead"]
        # Queries that began before it existed have none.
        if not self.deduplicate:
            del found["deduplicate"]
        else:
            found["deduplicate"] = sorted(set(self.deduplicate))
        grid = self.window.grid
        del found["window"]["gap"]
        if self.window.is_session:
            found["window"] = {"type": "session", "gap": str(grid.duration)}
        else:
            lengths = {"duration": str(grid.duration), "slide": str(grid.slide)}
            found["window"] |= lengths
        return json.dumps(found, sort_keys=True)
