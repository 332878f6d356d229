"""The bill of materials, CycloneDX: the packages of the lock, and the jars beside them.

``make sbom`` runs it where ``cyclonedx-bom`` is, which the project does not need.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

_ROOT = Path(__file__).parents[1]
_LOCKS = sorted((_ROOT / "include" / "sluice" / "spark").rglob("jars*.lock"))


def main(target: Path) -> int:
    """Write the bill to ``target``; return the exit code."""
    bill = json.loads(_packages())
    bill["components"] += [each for lock in _LOCKS for each in jar_components(lock)]
    text = json.dumps(bill, indent=2, sort_keys=True) + "\n"
    problem = _problem(text)
    if problem is not None:
        sys.stderr.write(f"sbom: it is no valid CycloneDX: {problem}\n")
        return 1
    target.parent.mkdir(exist_ok=True, parents=True)
    target.write_text(text, encoding="utf-8")
    sys.stdout.write(f"sbom: {target}: {len(bill['components'])} components\n")
    return 0


def jar_components(lock: Path) -> Iterator[dict[str, Any]]:
    """Yield what CycloneDX has of each jar of a lock: name, purl and checksum."""
    for row in tomllib.loads(lock.read_text(encoding="utf-8"))["jar"]:
        group, name, version = row["coordinate"].split(":")
        purl = f"pkg:maven/{group}/{name}@{version}"
        yield {
            "type": "library",
            "bom-ref": purl,
            "group": group,
            "name": name,
            "version": version,
            "purl": purl,
            "hashes": [{"alg": "SHA-256", "content": row["sha256"]}],
        }


def _packages() -> str:
    command = [sys.executable, "-m", "cyclonedx_py", "requirements"]
    asked = ["--output-format", "JSON", "--output-reproducible"]
    lock = str(_ROOT / "requirements.lock")
    done = subprocess.run(
        [*command, lock, *asked], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def _problem(text: str) -> str | None:
    version = SchemaVersion.from_version(json.loads(text)["specVersion"])
    error = JsonStrictValidator(version).validate_str(text)
    return None if error is None else str(error)


if __name__ == "__main__":
    sys.exit(main(_ROOT / "dist" / "sbom.json"))
