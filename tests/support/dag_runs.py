"""What only tests ask of Airflow's REST API: its runs, and a backfill of them."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from sluice.errors import RetryableError
from sluice.local.api import AirflowApi


def list_runs(api: AirflowApi) -> list[dict[str, Any]]:
    """Return the runs of the sample pipeline's Dag."""
    return list(api._ask("GET", "/dags/orders/dagRuns")["dag_runs"])


def backfill(api: AirflowApi, start: datetime, end: datetime) -> None:
    """Start Airflow's backfill of the intervals from ``start`` to ``end``.

    Airflow refuses it while another process writes its SQLite database.
    """
    body = {
        "dag_id": "orders",
        "from_date": start.isoformat(),
        "to_date": end.isoformat(),
        "max_active_runs": 1,
        "reprocess_behavior": "completed",
        "dag_run_conf": {},
    }
    deadline = time.monotonic() + 60
    while True:
        try:
            api._ask("POST", "/backfills", body)
        except RetryableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return
