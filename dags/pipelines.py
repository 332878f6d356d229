"""One Airflow Dag for each right file in ``include/pipelines``."""

from sluice.orchestration.dag import load_dags

globals().update(load_dags())
