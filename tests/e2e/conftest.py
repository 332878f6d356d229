"""An Airflow and a lake for all tests of a file that needs a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.checkouts import Checkout, checkout_in


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of Airflow and lake; to prepare its database takes a while."""
    return tmp_path_factory.mktemp("checkout")


@pytest.fixture
def checkout(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    """Return the Airflow and the lake; after a test nothing of them runs."""
    with checkout_in(home, monkeypatch) as found:
        yield found
