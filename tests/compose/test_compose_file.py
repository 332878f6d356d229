"""`docker-compose.yml`, `Dockerfile` and `.env`: what can be checked without Docker."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest

import bootstrap
import compose_env
from sluice.local.environment import local_airflow
from sluice.local.services import COMPONENTS
from sluice.local.settings import Places, airflow_settings
from sluice.orchestration.dag import JOBS_FOLDER
from support import compose_file

ROOT = compose_file.ROOT
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
REQUIRED = {name for name, text in compose_file.variables().items() if text is None}
GIVEN = {name: f"{name.lower()}-value" for name in REQUIRED}
SERVICES = compose_file.services(GIVEN)
LONG_RUNNING = SERVICES.keys() - {"airflow-init"}
OURS = SERVICES.keys() - {"postgres"}
AIRFLOW = {"airflow-init", "api-server", "scheduler", "dag-processor", "triggerer"}

# Where the parts are in the containers; all else is as with `make up`.
PLACES = Places(
    root=Path("/opt/sluice"),
    home=Path("/opt/airflow"),
    database=f"postgresql+psycopg2://airflow:{GIVEN['SLUICE_POSTGRES_PASSWORD']}"
    "@postgres:5432/airflow",
    host="0.0.0.0",
    port=8080,
    server="http://api-server:8080",
    url="http://localhost:8080",
)
ONLY_IN_COMPOSE = {
    "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT",
}


def instructions(name: str) -> list[str]:
    """Return the arguments of each instruction of that name in the Dockerfile."""
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    lines = (line.partition(" ") for line in joined.splitlines())
    return [rest.strip() for word, _, rest in lines if word == name]


@pytest.mark.needs_network
def test_the_file_follows_the_compose_specification():
    """A server would refuse a misspelt key, or worse, ignore it."""
    if not compose_file.has_go():
        reason = "Go is missing, which fetches the schema: install it to check the file"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    schema = compose_file.schema()
    jsonschema.validate(compose_file.parsed(), schema)
    content = compose_file.parsed()
    content["services"]["scheduler"]["healthchek"] = {}
    with pytest.raises(jsonschema.ValidationError, match="healthchek"):
        jsonschema.validate(content, schema)


def test_the_services_are_those_of_the_documentation():
    """Airflow's four, its database and its set-up, and Spark's two."""
    expected = AIRFLOW | {"postgres", "spark-master", "spark-worker"}
    assert SERVICES.keys() == expected
    text = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    assert [name for name in expected if f"`{name}`" not in text] == []


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_image_is_pinned_and_runs_without_root(name):
    """What changes by itself cannot be tested, and root in a container is root."""
    service = SERVICES[name]
    tag = service["image"].partition(":")[2]
    assert re.match(r"\d+\.\d+", tag), service["image"]
    assert service["user"].partition(":")[0] not in {"", "0", "root"}
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "container_name" not in service


def test_all_but_the_database_are_one_image_of_this_version():
    """Driver, executors and Airflow must not differ."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    image = f"sluice:{project['project']['version']}"
    assert {SERVICES[name]["image"] for name in OURS} == {image}
    assert {SERVICES[name]["build"]["context"] for name in OURS} == {"."}
    (base,) = instructions("FROM")
    assert re.fullmatch(r"python:3\.1[1-3]\.\d+-slim-bookworm", base)


@pytest.mark.parametrize("name", sorted(LONG_RUNNING))
def test_every_long_running_service_is_checked_and_started_again(name):
    """A service that hangs must be seen, and one that ends must come back."""
    service = SERVICES[name]
    check = service["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= check.keys()
    assert service["restart"] == "unless-stopped"


def test_nothing_starts_before_what_it_needs():
    """`docker compose up` is the whole of it, in whatever order containers come up."""
    needs = {
        (name, other, how["condition"])
        for name, service in SERVICES.items()
        for other, how in service.get("depends_on", {}).items()
    }
    done, healthy = "service_completed_successfully", "service_healthy"
    assert needs == {
        ("airflow-init", "postgres", healthy),
        *((name, "airflow-init", done) for name in AIRFLOW - {"airflow-init"}),
        ("scheduler", "api-server", healthy),
        ("scheduler", "spark-worker", healthy),
        ("spark-worker", "spark-master", healthy),
    }


def test_workers_can_be_many_and_share_the_lake_at_one_path():
    """`--scale` fails on a fixed name or port; a file must have one path everywhere."""
    worker = SERVICES["spark-worker"]
    assert not {"container_name", "hostname", "ports"} & worker.keys()
    shared = {"lake:/lake", "landing:/lake/landing"}
    for name in ("airflow-init", "scheduler", "spark-worker"):
        assert shared <= set(SERVICES[name]["volumes"]), name
    for name in OURS - {"spark-master"}:
        assert SERVICES[name]["user"] == worker["user"], "they write the same tables"
    named = {
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if not volume.startswith((".", "/"))  # a folder of the host, or without a name
    }
    assert compose_file.parsed()["volumes"].keys() == named


def test_ports_are_open_to_this_machine_only():
    """The pages speak no TLS, and Spark's master takes work from any host."""
    ports = [each for service in SERVICES.values() for each in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_no_secret_has_a_default():
    """A password that stands in a file of the project is none."""
    assert compose_env.SECRETS.keys() == REQUIRED
    with pytest.raises(compose_file.VariableMissingError, match="run make compose-env"):
        compose_file.services({})
    for name, value in environment("airflow-init").items():
        if re.search("PASSWORD$|SECRET|_KEY$", name):
            assert value in GIVEN.values(), name


def test_compose_env_writes_every_variable_without_a_default(tmp_path):
    """`make compose-env` and then `docker compose up` must be enough."""
    file = tmp_path / ".env"
    compose_env.write_secrets(file)
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("=", 1) for line in lines if not line.startswith("#"))
    assert compose_file.services(dict(pairs)).keys() == SERVICES.keys()


@pytest.mark.parametrize("name", sorted(AIRFLOW))
def test_airflow_is_set_up_as_by_make_up(name, tmp_path):
    """What is tried on one machine must be what runs in containers."""
    found = environment(name)
    settings = {
        key: value
        for key, value in found.items()
        if key == "AIRFLOW_HOME" or key.startswith("AIRFLOW__")
    }
    secret = {key for key, value in settings.items() if value in GIVEN.values()}
    shared = settings.keys() - secret - ONLY_IN_COMPOSE
    assert {key: settings[key] for key in shared} == airflow_settings(PLACES)

    local = local_environment(tmp_path)
    assert secret == {key for key in local if key.startswith("AIRFLOW__")} - shared
    assert found["SPT_NOENV"] == local["SPT_NOENV"]
    assert {"SLUICE_LAKE", "AIRFLOW_CONN_SPARK_DEFAULT"} <= found.keys() & local.keys()


def test_components_run_by_the_commands_of_make_up():
    """An option that one of them needs is needed by the other."""
    for component, options in COMPONENTS.items():
        assert SERVICES[component]["command"] == ["airflow", component, *options]


def test_the_image_is_made_by_the_script_of_make_setup():
    """A second way to install would be a second thing to test."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (script,) = re.findall(r"^setup:.*\n\t@\$\(PYTHON\) (\S+)$", makefile, re.MULTILINE)
    steps = [run for run in instructions("RUN") if script in run]
    assert [step.endswith(f"python3 {script}") for step in steps] == [True]
    assert not re.search(r"pip install|apt-get|curl|wget", DOCKERFILE)


def test_the_image_holds_what_set_up_and_dags_need():
    """A file that is left out of the context is missed only when the image is built."""
    copied = [part for line in instructions("COPY") for part in line.split()[:-1]]
    needed = [*bootstrap.INPUTS, "LICENSE", "README.md", "dags", "include/pipelines"]
    needed += ["include/pyspark_cloudfiles.py", str(JOBS_FOLDER.relative_to(ROOT))]
    for name in needed:
        places = {str(each) for each in (Path(name), *Path(name).parents)}
        assert places & set(copied), f"{name} is not copied"
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert allowed[1] == "*", "what is not named stays out: secrets, lake, caches"
    for part in copied:
        assert f"!{part.partition('/')[0]}" in allowed, part


def test_containers_and_image_agree_on_user_and_folders():
    """A volume belongs to the user that owns its folder in the image."""
    user, *_ = SERVICES["scheduler"]["user"].split(":")
    (made, *_), (name,) = instructions("RUN"), instructions("USER")
    assert f"useradd --uid {user} --gid 0 --home-dir /opt/airflow" in made
    assert made.split(" && ")[0].endswith(f" {name}")
    for folder in ("/lake", "/lake/landing", "/var/spark"):
        assert f" {folder}" in made
    assert instructions("WORKDIR") == [str(PLACES.root)]
    assert f"PATH={PLACES.root}/.venv/bin:$PATH" in instructions("ENV")[0]


def environment(name: str) -> dict[str, str]:
    """Return the environment of a service."""
    found: dict[str, str] = SERVICES[name]["environment"]
    return found


def local_environment(home: Path) -> dict[str, str]:
    """Return the environment of `make up` in a shell without settings of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name.startswith(("AIRFLOW", "SLUICE")):
                patch.delenv(name)
        patch.setenv("SLUICE_AIRFLOW_HOME", str(home))
        return local_airflow().environment()
