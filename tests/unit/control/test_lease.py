"""The epochs of a lease, and where it lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sluice.control import lease as lease_module
from sluice.control.holder import is_gone, this_process
from sluice.control.lease import (
    control_location,
    find_living,
    read_lease,
    release_lease,
    renew_lease,
)
from support.leases import acquire, objects


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    """Return where a query keeps its checkpoint."""
    return str(tmp_path / "checkpoints" / "orders" / "bronze")


def test_epoch_is_never_used_twice(checkpoint: str) -> None:
    """Otherwise a holder paused long ago would renew another's lease."""
    old = acquire(checkpoint)
    release_lease(old)
    release_lease(acquire(checkpoint, "second"))
    third = acquire(checkpoint, "third")
    assert third.epoch == 3
    assert renew_lease(old) == third
    release_lease(old)
    assert read_lease(checkpoint) == third
    assert objects(checkpoint) == ["lease/3.json"]


def test_epoch_that_was_used_and_removed_meanwhile_is_not_won(checkpoint: str) -> None:
    """A slow challenger may put the object of an epoch that came and went."""
    for run in ("first", "second"):
        release_lease(acquire(checkpoint, run))
    third = acquire(checkpoint, "third")
    late = replace(third, epoch=2, run_id="late")
    assert not lease_module._take(late)
    assert read_lease(checkpoint) == third
    assert objects(checkpoint) == ["lease/3.json"]


def test_looking_for_a_lease_makes_nothing(checkpoint: str) -> None:
    """A query that never ran has no folder of its own."""
    assert read_lease(checkpoint) is None
    assert find_living(checkpoint) is None
    assert not Path(control_location(checkpoint)).exists()


def test_another_process_with_the_same_id_is_not_the_holder() -> None:
    """Ids are used again: two processes differ by their start."""
    me = this_process()
    assert not is_gone(me)
    assert me.started is not None
    assert is_gone(replace(me, started=me.started - 1))
    assert not is_gone(replace(me, space="another boot", started=me.started - 1))
    assert not is_gone(replace(me, space=None, started=None, pid=2**22 + 1))


@pytest.mark.parametrize(
    ("checkpoint", "expected"),
    [
        ("/lake/checkpoints/orders/bronze", "/lake/checkpoints/orders/_control/bronze"),
        ("s3://b/cp/bronze", "s3://b/cp/_control/bronze"),
        ("s3://b/bronze", "s3://b/_control/bronze"),
        ("s3://b", "s3://b/_control"),
    ],
)
def test_control_lies_beside_the_checkpoint(checkpoint: str, expected: str) -> None:
    """Spark owns all that is within."""
    assert control_location(checkpoint) == expected
