"""Which versions of the format are known."""

from __future__ import annotations

import pytest

from sluice.errors import Condition, FatalError
from sluice.versions import require_known


@pytest.mark.parametrize("version", [None, 1, "1"])
def test_known_versions_pass(version: object) -> None:
    """None is what there was before a version was named; tables keep it as text."""
    require_known("ledger", version)


@pytest.mark.parametrize("version", [0, -1, 2, "2", "1.5", "", True, "next"])
def test_anything_else_is_of_a_newer_release(version: object) -> None:
    """What a later release will write is not known, so nothing is guessed."""
    with pytest.raises(FatalError) as caught:
        require_known("ledger", version)

    assert caught.value.condition is Condition.VERSION_TOO_NEW
