"""A machine without the Java that set-up installs."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_bundled_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the runtime that set-up installs."""
    monkeypatch.setattr("sluice.spark.setup.java.bundled_runtime", lambda: None)
