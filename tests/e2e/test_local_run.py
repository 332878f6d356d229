"""`make run` on a fresh checkout, again, and with nothing new."""

from __future__ import annotations

import time

import pytest

from sluice.orchestration.processes import Mark, list_marked
from tables import bronze_rows, landed_rows, silver_rows, stream_windows


@pytest.mark.needs_java
@pytest.mark.timeout(900)
def test_run_takes_in_each_hour_once_and_is_quick_without_work(checkout):
    """The first promise to a newcomer, and what every later run must keep."""
    first = checkout.call("run")
    assert "1,200 rows" in first
    assert bronze_rows(checkout.config) == landed_rows(checkout.config)
    second = checkout.call("run", "--land", "1")
    assert "1,200 rows" in second
    for told in ("landed", "preflight", "bronze", "silver", "audit", "late rows"):
        assert told in second, told
    assert sum(landed_rows(checkout.config).values()) == 2_400
    assert bronze_rows(checkout.config) == landed_rows(checkout.config)
    assert silver_rows(checkout.config) == stream_windows(checkout.config)

    began = time.monotonic()
    assert "nothing new" in checkout.call("run", "--land", "0")
    assert time.monotonic() - began < 10
    assert bronze_rows(checkout.config) == landed_rows(checkout.config)
    assert list_marked(Mark("SLUICE_AIRFLOW_HOME", str(checkout.airflow.home))) == []
