"""Tools that are run now and then, as their make targets run them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from sluice.spark.setup.jars import locked_jars

_ROOT = Path(__file__).parents[2]


def make(target: str) -> subprocess.CompletedProcess[str]:
    """Make a target of this checkout."""
    return subprocess.run(
        ["make", target], cwd=_ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.long
@pytest.mark.needs_network
def test_bill_names_packages_and_jars() -> None:
    """Each of the lock with its version, and each jar with its checksum."""
    done = make("sbom")
    assert done.returncode == 0, done.stderr

    bill = json.loads((_ROOT / "dist" / "sbom.json").read_text())
    found = {each["purl"]: each for each in bill["components"]}
    lock = (_ROOT / "requirements.lock").read_text()
    names = re.findall(r"^([\w.-]+)(?:\[.*\])?==([\w.]+)", lock, re.MULTILINE)
    assert {f"pkg:pypi/{name}@{version}" for name, version in names} <= set(found)
    for jar in locked_jars():
        group, name, version = jar.coordinate.split(":")
        component = found[f"pkg:maven/{group}/{name}@{version}"]
        assert component["hashes"][0]["content"] == jar.sha256


@pytest.mark.long
@pytest.mark.needs_network
def test_audit_of_the_lock_never_passes_unasked() -> None:
    """Its last word says how many of all packages were audited."""
    done = make("audit-lock")

    said = re.search(r"audit-lock: (\d+) of (\d+) packages", done.stderr)
    if done.returncode == 0:
        assert said is not None
        assert said[1] == said[2] != "0"
    else:
        assert re.search("Error (65|75)$", done.stderr, re.MULTILINE)
