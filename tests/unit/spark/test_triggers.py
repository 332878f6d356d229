"""Triggers, from their spelling to Spark's."""

from __future__ import annotations

import pytest

from sluice.errors import Condition, ExitCode, UsageError
from sluice.spark.triggers import AVAILABLE_NOW, Trigger, TriggerKind, parse_trigger


@pytest.mark.parametrize(
    ("text", "trigger"),
    [
        ("available-now", AVAILABLE_NOW),
        ("availableNow", AVAILABLE_NOW),
        ("once", Trigger(TriggerKind.ONCE)),
        ("default", Trigger(TriggerKind.DEFAULT)),
        ("processing-time=30s", Trigger(TriggerKind.PROCESSING_TIME, "30 seconds")),
        (
            "processing-time=500ms",
            Trigger(TriggerKind.PROCESSING_TIME, "500 milliseconds"),
        ),
        ("processingTime=5 minutes", Trigger(TriggerKind.PROCESSING_TIME, "5 minutes")),
        ("processing-time=1h", Trigger(TriggerKind.PROCESSING_TIME, "1 hours")),
    ],
)
def test_a_trigger_is_understood_in_our_spelling_and_in_sparks(text, trigger):
    """Readers of Spark's documentation type what is written there."""
    assert parse_trigger(text) == trigger


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("continuous", "no aggregations"),
        ("continuous=1s", "no aggregations"),
        ("real-time=5m", "no append"),
        ("processing-time", "'' is not a duration"),
        ("processing-time=soon", "'soon' is not a duration"),
        ("available-now=5s", "not known"),
        ("hourly", "not known"),
        ("", "not known"),
    ],
)
def test_what_cannot_run_is_refused_with_the_reason(text, reason):
    """The message says why, and what can be used instead."""
    with pytest.raises(UsageError) as caught:
        parse_trigger(text)

    assert caught.value.condition is Condition.TRIGGER_UNSUPPORTED
    assert caught.value.exit_code is ExitCode.USAGE
    assert reason in caught.value.message
    assert "'available-now'" in caught.value.message


def test_only_standing_queries_do_not_end_by_themselves():
    """A job must know whether it will ever come to its end."""
    texts = ("available-now", "once", "processing-time=1s", "default")

    assert [parse_trigger(text).ends_by_itself for text in texts] == [
        True,
        True,
        False,
        False,
    ]


def test_only_the_legacy_trigger_has_a_note():
    """A warning in every log is not read."""
    assert parse_trigger("available-now").note is None
    assert "available-now" in str(parse_trigger("once").note)
