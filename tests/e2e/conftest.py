"""An Airflow, a lake and a port of its own for each test that needs a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checkouts import Checkout, fresh_checkout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    """Return a fresh Airflow over an empty lake; it is stopped whatever happens."""
    with fresh_checkout(tmp_path, monkeypatch) as made:
        yield made
