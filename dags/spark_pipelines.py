"""One Airflow Dag for each project of `sluice spark-pipelines`."""

from sluice.orchestration.declarative import load_project_dags

globals().update(load_project_dags())
