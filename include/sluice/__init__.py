"""Sluice: an open Auto Loader for Apache Spark and Delta Lake."""
