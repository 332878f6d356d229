"""``docker-compose.yml`` as Docker Compose reads it, for tests without Docker."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
# The loader of Docker Compose, which brings the specification's schema.
SCHEMA_MODULE = "github.com/compose-spec/compose-go/v2@v2.16.2"
SCHEMA_FILE = "schema/compose-spec.json"

_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<rule>:[-?])(?P<text>[^}]*))?\})")


class VariableMissingError(Exception):
    """A variable that has no default has no value."""


def parsed() -> dict[str, Any]:
    """Return the file as it is, anchors resolved and variables not."""
    content: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
    return content


def services(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the services as they would run with ``variables``.

    Raises:
        VariableMissingError: a value is required and not given.
    """
    found: dict[str, dict[str, Any]] = _filled(parsed()["services"], variables)
    return found


def variables() -> dict[str, str | None]:
    """Return the variables that the file uses, each with its default or None."""
    text = COMPOSE_FILE.read_text(encoding="utf-8")
    return {
        found["name"]: found["text"] if found["rule"] == ":-" else None
        for found in _VARIABLE.finditer(text)
        if found["name"]
    }


def has_go() -> bool:
    """Return True if the schema can be fetched here."""
    return shutil.which("go") is not None


def schema() -> dict[str, Any]:
    """Return the JSON schema of the Compose specification; Go keeps it once fetched."""
    done = subprocess.run(
        ["go", "mod", "download", "-json", SCHEMA_MODULE],
        env=os.environ | {"GOFLAGS": "-mod=mod"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    file = Path(json.loads(done.stdout)["Dir"], SCHEMA_FILE)
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, variables) for each in value]
    if not isinstance(value, str):
        return value
    return _VARIABLE.sub(lambda found: _value(found, variables), value)


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name, rule = found["name"], found["rule"]
    if name is None:
        return "$"
    if variables.get(name):
        return variables[name]
    if rule == ":-":
        return str(found["text"])
    raise VariableMissingError(f"{name}: {found['text']}")
