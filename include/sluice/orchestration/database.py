"""What Airflow's database must hold before anything of ours runs."""

from __future__ import annotations

from airflow.models.pool import Pool
from airflow.utils import db

from sluice.orchestration.dag import WRITER_POOL


def prepare_database() -> None:
    """Make Airflow's tables, or those of this version of older ones, and our pool.

    A second call changes nothing. Without the pool Airflow starts none of our tasks.
    """
    db.initdb()
    Pool.create_or_update_pool(
        WRITER_POOL,
        slots=1,
        description="Steps that write: one at a time",
        include_deferred=False,
    )
