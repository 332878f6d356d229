# One image for every service of docker-compose.yml: driver, executors and Airflow have
# the same Python, the same packages and the same jars.
FROM python:3.11.13-slim-bookworm

# New volumes take over the owner of the folder that they are mounted on.
RUN useradd --uid 10001 --gid 0 --home-dir /opt/airflow --create-home sluice \
    && install --directory --owner=sluice --group=root /lake /lake/landing /var/spark

# Where packages come from, on a network with a mirror of its own.
ARG PIP_INDEX_URL
WORKDIR /opt/sluice
COPY LICENSE README.md pyproject.toml requirements.lock ./
COPY include/bootstrap.py include/pyspark_cloudfiles.py include/
COPY include/sluice include/sluice
# What `make setup` does: packages, a Java, the jars and the archive of loaded classes.
RUN PIP_NO_CACHE_DIR=1 python3 include/bootstrap.py
COPY dags dags
COPY jobs jobs
COPY include/pipelines include/pipelines
# What runs here cannot keep what it compiles.
RUN .venv/bin/python -m compileall -q dags include jobs

ENV PATH=/opt/sluice/.venv/bin:$PATH \
    AIRFLOW_HOME=/opt/airflow \
    SLUICE_LAKE=/lake \
    PYTHONUNBUFFERED=1
# The code belongs to root: what runs here cannot change it.
USER sluice
