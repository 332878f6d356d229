"""A request to stop reaches the driver that runs, and no other one."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sluice import storage
from sluice.control import lease as lease_module
from sluice.control.hold import Hold, hold_lease
from sluice.control.holder import Holder
from sluice.control.lease import (
    STOP_KEY,
    acquire_lease,
    release_lease,
    renew_lease,
)
from sluice.control.stop import request_stop
from sluice.errors import Condition, FatalError, RetryableError
from support.leases import EXPIRY, objects

ELSEWHERE = Holder("elsewhere", "another user", 1, "another boot", 1)


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    """Return where a query keeps its checkpoint."""
    return str(tmp_path / "checkpoints" / "orders" / "bronze")


def holding(checkpoint: str, expiry: timedelta = EXPIRY):
    """Hold the lease as a run does."""
    return hold_lease(checkpoint, query="orders_bronze", run_id="run", expiry=expiry)


def reason(hold: Hold, seconds: float = 3) -> str | None:
    """Return why the holder has to stop, once it knows."""
    until = time.monotonic() + seconds
    while hold.stop_reason is None and time.monotonic() < until:
        time.sleep(0.02)
    return hold.stop_reason


def test_driver_sees_a_request_within_a_second(checkpoint: str) -> None:
    """And removes it, with all but its lease, when it ends."""
    with holding(checkpoint) as hold:
        assert hold.stop_reason is None
        lease = request_stop(checkpoint, requested_by="me@here")
        assert lease is not None
        assert lease.run_id == "run"
        assert (reason(hold, seconds=1) or "").startswith("stopped on request of me@h")
        hold.require_held()
    assert objects(checkpoint) == ["lease/1.json"]


def test_request_to_what_does_not_run_leaves_nothing(checkpoint: str) -> None:
    """Neither before the first run nor after one."""
    assert request_stop(checkpoint, requested_by="me") is None
    assert objects(checkpoint) == []
    with holding(checkpoint):
        pass
    assert request_stop(checkpoint, requested_by="me") is None
    assert objects(checkpoint) == ["lease/1.json"]


def test_request_to_one_that_is_not_heard_any_more_leaves_nothing(
    checkpoint: str,
) -> None:
    """A run on another machine that was cut off never releases its lease."""
    lease = acquire_lease(checkpoint, query="q", run_id="r", expiry=EXPIRY)
    renew_lease(replace(lease, holder=ELSEWHERE))
    assert request_stop(checkpoint, requested_by="me") is None
    assert objects(checkpoint) == ["lease/1.json"]


def test_request_that_comes_while_the_run_ends_leaves_nothing(
    checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written after the driver looked for it, it is withdrawn by who wrote it."""
    lease = acquire_lease(checkpoint, query="q", run_id="r", expiry=EXPIRY)
    put = storage.put

    def end_first(root: str, key: str, content: bytes) -> None:
        if key == STOP_KEY:
            monkeypatch.undo()
            release_lease(lease)
        put(root, key, content)

    monkeypatch.setattr(storage, "put", end_first)
    assert request_stop(checkpoint, requested_by="me") is None
    assert objects(checkpoint) == ["lease/1.json"]


def test_request_to_a_killed_run_does_not_stop_the_next(checkpoint: str) -> None:
    """It names the epoch; the next one removes it."""
    lease = acquire_lease(checkpoint, query="q", run_id="r", expiry=EXPIRY)
    assert request_stop(checkpoint, requested_by="me") is not None
    killed = replace(lease, holder=replace(lease.holder, started=1))
    storage.put(lease.root, lease.key, lease_module._encode(killed))
    with holding(checkpoint) as hold:
        assert objects(checkpoint) == ["lease/2.json"]
        # The same request again, as one that was written at the last moment.
        storage.put(
            lease.root,
            STOP_KEY,
            b'{"epoch":1,"requested_at":"2026-01-01T00:00:00Z","requested_by":"me"}',
        )
        assert reason(hold, seconds=1.2) is None


def test_holder_that_was_succeeded_has_to_stop(checkpoint: str) -> None:
    """It may finish its micro-batch, but must not call its run done."""
    with holding(checkpoint) as hold:
        mine = hold.lease
        theirs = replace(mine, epoch=2, run_id="theirs", holder=ELSEWHERE)
        assert lease_module._take(theirs)
        assert "taken over by run 'theirs'" in (reason(hold) or "")
        with pytest.raises(RetryableError) as raised:
            hold.require_held()
    assert raised.value.condition is Condition.LEASE_HELD
    assert objects(checkpoint) == ["lease/2.json"]


@pytest.mark.parametrize("is_succeeded", [True, False])
def test_failure_of_one_that_was_succeeded_is_worth_another_try(
    checkpoint: str, is_succeeded: bool
) -> None:
    """A paused driver finds its files replaced before it looks at its lease again."""

    def fail() -> None:
        with holding(checkpoint, expiry=timedelta(hours=1)) as hold:
            if is_succeeded:
                theirs = replace(hold.lease, epoch=2, run_id="theirs", holder=ELSEWHERE)
                assert lease_module._take(theirs)
            raise FatalError(Condition.QUERY_FAILED, "a file is gone")

    with pytest.raises(RetryableError if is_succeeded else FatalError) as raised:
        fail()
    assert isinstance(raised.value.__context__, FatalError) == is_succeeded
    assert objects(checkpoint) == [f"lease/{1 + is_succeeded}.json"]


def test_storage_that_fails_for_a_while_ends_no_run(
    checkpoint: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The lease is courtesy: what it cannot write is logged and written later."""
    with holding(checkpoint) as hold:

        def refuse(*_: object) -> None:
            message = "no space left"
            raise OSError(message)

        monkeypatch.setattr(storage, "put", refuse)
        until = time.monotonic() + 3
        while "no space left" not in caplog.text and time.monotonic() < until:
            time.sleep(0.02)
        monkeypatch.undo()
        before = hold.lease.heartbeats
        while hold.lease.heartbeats == before and time.monotonic() < until:
            time.sleep(0.02)
        assert hold.lease.heartbeats > before
        assert hold.stop_reason is None
    assert "no space left" in caplog.text
