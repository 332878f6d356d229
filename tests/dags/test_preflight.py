"""Which steps a run goes on with."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException

import sluice.preflight.run
from sluice.errors import Condition, FatalError, RetryableError
from sluice.orchestration.preflight import PreflightOperator, is_backfill, plan_steps
from sluice.preflight.run import Preflight

PUSHED: list[dict[str, object]] = []
INTERVAL = {
    "backfill_from": "2025-01-01T00:00:00Z",
    "backfill_until": "2025-01-01T01:00:00Z",
}


def found(*, bronze: bool, silver: bool) -> Preflight:
    """Return what a preflight would have found."""
    return Preflight(
        new_files=0,
        new_bytes=0,
        bronze_has_work=bronze,
        silver_has_work=silver,
        discovered_up_to=7,
    )


def choose(
    monkeypatch, answer: Preflight | Exception, run_type="scheduled", **params: object
) -> list[str]:
    """Return the steps of a run whose preflight answers ``answer``."""

    def preflight(config: object, *, run_id: str) -> Preflight:
        assert run_id == "a run"
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(sluice.preflight.run, "preflight", preflight)
    run = SimpleNamespace(run_type=run_type, run_id="a run", logical_date=None)
    operator = PreflightOperator(task_id="preflight", pipeline="orders")
    ti = SimpleNamespace(xcom_push=lambda **pushed: PUSHED.append(pushed))
    return operator.choose_branch(Context(dag_run=run, params=params, ti=ti))


@pytest.mark.parametrize(
    ("bronze", "silver", "steps"),
    [
        (True, True, ["bronze", "silver"]),
        (True, False, ["bronze", "silver"]),
        (False, True, ["silver"]),
        (False, False, []),
    ],
)
def test_steps_without_work_are_left_out(bronze, silver, steps):
    """A step that is not begun costs no JVM; bronze always brings work for silver."""
    assert plan_steps(bronze_has_work=bronze, silver_has_work=silver) == steps


@pytest.mark.parametrize("run_type", ["scheduled", "manual", "asset_triggered"])
def test_a_run_takes_in_what_is_new_whatever_started_it(monkeypatch, run_type):
    """Runs without a logical date, as by hand or by an asset, are no exception."""
    answer = found(bronze=True, silver=True)
    assert choose(monkeypatch, answer, run_type) == ["bronze", "silver"]
    assert PUSHED[-1] == {"key": "discovered_up_to", "value": 7}, "bronze reads to it"


def test_a_backfill_run_only_recomputes(monkeypatch):
    """It must not look for new files: they belong to the stream."""
    assert choose(monkeypatch, AssertionError(), "backfill") == ["backfill"]


def test_a_manual_run_with_an_interval_is_a_backfill(monkeypatch):
    """Airflow's own backfill refuses a Dag without a schedule."""
    assert choose(monkeypatch, AssertionError(), "manual", **INTERVAL) == ["backfill"]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (INTERVAL["backfill_from"], None),
        (None, INTERVAL["backfill_until"]),
        (INTERVAL["backfill_until"], INTERVAL["backfill_from"]),
        (INTERVAL["backfill_from"], INTERVAL["backfill_from"]),
        ("yesterday", "today"),
    ],
)
def test_what_is_no_interval_is_refused(monkeypatch, start, end):
    """Guessing would recompute the wrong windows; and a retry would not help."""
    wrong = {"backfill_from": start, "backfill_until": end}
    with pytest.raises(AirflowFailException):
        choose(monkeypatch, AssertionError(), "manual", **wrong)


def test_an_interval_without_an_offset_is_utc():
    """Jobs read it so as well."""
    naive = {"backfill_from": "2025-01-01", "backfill_until": "2025-01-01T00:00:01Z"}
    assert is_backfill("manual", naive)


def test_a_fatal_error_is_not_tried_again(monkeypatch):
    """A checkpoint that would lose rows does so at the next try as well."""
    error = FatalError(Condition.CHECKPOINT_LOST, "the checkpoint is absent")
    with pytest.raises(AirflowFailException, match="CHECKPOINT_LOST"):
        choose(monkeypatch, error)


def test_a_temporary_error_is_tried_again(monkeypatch):
    """A lease that another holds is free later."""
    error = RetryableError(Condition.LEASE_HELD, "the lease is held")
    with pytest.raises(AirflowException, match="LEASE_HELD") as raised:
        choose(monkeypatch, error)
    assert not isinstance(raised.value, AirflowFailException)
