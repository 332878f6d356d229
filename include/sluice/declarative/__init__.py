"""Projects for ``spark-pipelines``, Spark's declarative pipelines."""

from sluice.declarative.project import Project, write_project

__all__ = ["Project", "write_project"]
