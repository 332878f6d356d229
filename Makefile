# Every target sets up what it needs first; `make help` lists them.
PYTHON ?= python3
PIPELINE ?= orders
VENV := .venv/bin
FAST_TESTS := tests/unit tests/local tests/hostile
SLUICE_TESTS := $(wildcard $(FAST_TESTS) tests/model tests/spark tests/s3 tests/recovery tests/cluster \
  tests/compose tests/dags tests/e2e tests/wheel)
# Each process of Python that tests start loads numpy, whose threads keep all cores busy
# for a moment.
PYTEST := SPARK_LOCAL_IP=127.0.0.1 OPENBLAS_NUM_THREADS=1 $(VENV)/python -m pytest
# For tools that are run now and then: neither they nor what they need are in the lock.
TOOL := $(VENV)/uv run --quiet --no-project --isolated --python $(VENV)/python
SHORT := -m "not long"
SLOWEST := --durations 40 --durations-min 5
# Most tests wait for a JVM, a process or Airflow: two cores serve three at a time, in 6 GB.
# Each of them starts a Spark session of its own, which keeps a core busy for a while.
# The tests of a file share what it starts and the lakes that it makes.
BESIDE ?= 3
BESIDES := -n $(BESIDE) --dist loadfile --no-loadscope-reorder
CODE := include $(wildcard jobs dags benchmarks)
# Runs and tests start Python again and again: it keeps what it has compiled, also where
# a shell says otherwise.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help packages setup ready s3-server compiled run test test-fast test-long up down cluster \
	cluster-down lint types fmt unit spark recovery dags e2e compose compose-env bench soak \
	s3-jars wheel docs sample doctor lock sbom audit-lock \
	ci clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

packages:
	@$(PYTHON) include/bootstrap.py packages

setup: packages ## make .venv with packages, jars and Spark's configuration (once)
	@$(PYTHON) include/bootstrap.py

run: setup ## land the next hour of sample orders and run the DAG; LAND=0, PIPELINE=name
	@$(VENV)/python -m sluice.local.airflow run --pipeline $(PIPELINE) \
	  $(if $(LAND),--land $(LAND))

# Set-up keeps one core busy for most of its time: mypy and Go work beside it.
ready:
	@$(MAKE) --no-print-directory --jobs 3 setup lint types $(ALSO)

s3-server:
	@$(PYTHON) tests/support/s3_build.py

# Each worker imports every test: Python compiles them once, and not for each beside.
compiled: packages
	@$(PYTEST) $(SHORT) --collect-only --quiet $(SLUICE_TESTS) > /dev/null || true

test: ALSO := s3-server compiled
test: ready ## lint, types and every test but the long ones
	$(PYTEST) $(SHORT) $(BESIDES) $(SLOWEST) $(SLUICE_TESTS)

test-fast: ready ## lint, types and the tests without a JVM
	$(PYTEST) $(SHORT) $(BESIDES) $(FAST_TESTS)

test-long: setup ## the tests that are too long for `make test`
	$(PYTEST) -m long --timeout 3600 $(SLUICE_TESTS)

up: setup ## start Airflow's UI and scheduler on this machine
	@$(VENV)/python -m sluice.local.airflow up

down: setup ## stop what `make up` started
	@$(VENV)/python -m sluice.local.airflow down

cluster: setup ## start a Spark cluster on this machine; WORKERS=2, SPARK_PORT=7077
	@$(VENV)/python -m sluice.local.cluster up \
	  $(if $(WORKERS),--workers $(WORKERS)) $(if $(SPARK_PORT),--port $(SPARK_PORT))

cluster-down: setup ## stop what `make cluster` started
	@$(VENV)/python -m sluice.local.cluster down

lint: packages ## ruff, import contracts and docstrings of the tests
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/lint-imports
	$(VENV)/interrogate --quiet tests
	@.ci/refuse-hosts
	@.ci/refuse-words

types: packages ## mypy, strict
	$(VENV)/mypy

fmt: packages ## let ruff mend and format
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .

unit: setup ## tests that need no table, process or JVM, in half a minute
	$(PYTEST) $(SHORT) tests/unit

spark: setup ## tests with one local Spark session
	$(PYTEST) $(SHORT) tests/spark

recovery: setup ## tests that crash a run and restart it
	$(PYTEST) $(SHORT) tests/recovery

soak: setup ## kill runs at random and count; SOAK_KILLS=200, SOAK_SECONDS=3600, SOAK_SEED
	@PYTHONPATH=tests SPARK_LOCAL_IP=127.0.0.1 $(VENV)/python -m soak

s3: setup ## tests on a real S3 server; needs Go to build it
	$(PYTEST) $(SHORT) tests/s3

dags: setup ## tests of the DAGs' structure
	$(PYTEST) $(SHORT) tests/dags

e2e: setup ## tests with a real Airflow
	$(PYTEST) $(SHORT) tests/e2e

compose: setup ## tests of docker-compose.yml: its services as processes of this machine
	$(PYTEST) --timeout 3600 tests/compose

compose-env: ## write the secrets of docker-compose.yml into .env (once)
	@$(PYTHON) include/compose_env.py

bench: setup ## the benchmarks
	@for file in benchmarks/*.py; do $(VENV)/python "$$file" || exit 1; done

s3-jars: setup ## fetch what Spark needs for a lake on S3 (13 MB, once)
	@$(VENV)/python -m sluice.spark.setup.prepare s3

wheel: setup ## build the wheel into dist/
	@$(VENV)/hatchling build -t wheel

docs: setup ## write the tables of docs/options.md and docs/schema_matrix.md from the code
	@PYTHONPATH=tests $(VENV)/python -m support.options_page
	@PYTHONPATH=tests $(VENV)/python -m support.matrix_page

sample: setup ## land the next hour of sample orders and run nothing
	@$(VENV)/sluice sample

doctor: setup ## what this machine lacks, and the fix
	@$(VENV)/sluice doctor

lock: setup ## resolve the dependencies again into requirements.lock
	@$(VENV)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --python-version 3.11 --all-extras \
	  --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

sbom: setup ## write dist/sbom.json: packages and jars, as CycloneDX
	@$(TOOL) --with cyclonedx-bom==7.5.0 python include/sbom.py

audit-lock: setup ## known weaknesses of the lock's packages; 65 if any, 75 if it cannot know
	@$(TOOL) --with pip-audit==2.10.1 python include/audit_lock.py

ci: ## what CI runs
	@.ci/run

clean: ## remove what tools left behind; .venv, .airflow and lake stay
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache \
	  spark-warehouse build dist
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
