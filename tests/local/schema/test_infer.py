"""Processes that infer a schema at once."""

from __future__ import annotations

from pathlib import Path

from sluice.schema.kept import latest_version
from support.racing import race

INFER = """
import sys
from sluice.options.options import CloudFilesOptions
from sluice.schema.infer import schema_of
path, location, typed = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
print(schema_of(CloudFilesOptions(
    path=path, schema_location=location, infer_column_types=typed == "typed"
)).simpleString())
"""


def test_two_processes_that_infer_at_once_agree(tmp_path: Path) -> None:
    """One wins, and both read with the winner's schema."""
    landing, location = tmp_path / "in", str(tmp_path / "schemas")
    landing.mkdir()
    (landing / "a").write_bytes(b'{"a": 1}')
    printed = race(
        INFER, [(str(landing), location, kind) for kind in ("typed", "untyped")]
    )
    kept = latest_version(location)

    assert kept is not None
    assert {each.strip() for each in printed} == {kept.schema.simpleString()}
