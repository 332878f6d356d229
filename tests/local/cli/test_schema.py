"""``sluice schema``: which fields there are, and where they came from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyspark.sql.types import ArrayType, DecimalType, LongType, StringType, StructType

from sluice.schema.kept import SchemaVersion, keep_version
from support.command_line import Sluice, command_line

FIRST = StructType().add("id", LongType()).add("s", StructType().add("a", StringType()))
SECOND = (
    StructType()
    .add("id", LongType())
    .add("s", StructType().add("a", StringType()).add("b", StringType()))
    .add("tags", ArrayType(StringType()))
)


@pytest.fixture
def sluice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Sluice:
    """Return the command."""
    return command_line(capsys, monkeypatch)


@pytest.fixture
def pipeline(tmp_path: Path) -> str:
    """Return a pipeline file whose schema has two versions."""
    for version in (
        SchemaVersion(schema=FIRST),
        SchemaVersion(
            number=1, schema=SECOND, added={"s.b": "/in/b.json", "tags": "/in/c.json"}
        ),
    ):
        keep_version(str(tmp_path / "lake" / "schemas" / "orders"), version)
    return written(tmp_path, "{}")


def written(folder: Path, source: str) -> str:
    """Write a pipeline file with a source and return its path."""
    path = folder / "orders.yaml"
    path.write_text(
        f"name: orders\nlake: {folder / 'lake'}\nbronze: {{source: {source}}}\n"
    )
    return str(path)


def test_fields_have_the_version_and_file_that_brought_them(
    pipeline: str, sluice: Sluice
) -> None:
    """Those of the first version came with the sample, and so with no file."""
    code, out, _ = sluice("schema", pipeline)

    rows = [line.split() for line in out.splitlines() if line.strip()][3:]
    assert code == 0
    assert "version 1" in out
    assert rows == [
        ["id", "bigint", "0"],
        ["s", "struct<a:string,b:string>", "0"],
        ["s.b", "1", "/in/b.json"],
        ["tags", "array<string>", "1", "/in/c.json"],
    ]


def test_widened_field_has_the_version_and_file_that_widened_it(
    pipeline: str, sluice: Sluice, tmp_path: Path
) -> None:
    """That is since when it is what it is."""
    wider = StructType().add("id", DecimalType(20, 0)).add("s", SECOND["s"].dataType)
    version = SchemaVersion(number=2, schema=wider, widened={"id": "/in/d.json"})
    keep_version(str(tmp_path / "lake" / "schemas" / "orders"), version)

    rows = [line.split() for line in sluice("schema", pipeline)[1].splitlines()]
    assert ["id", "decimal(20,0)", "2", "/in/d.json"] in rows
    newest = json.loads(sluice("schema", pipeline, "--json")[1])[-1]
    assert newest["widened"] == {"id": "/in/d.json"}


def test_earlier_version_and_json_are_shown(pipeline: str, sluice: Sluice) -> None:
    """For a person who compares, and for a program."""
    assert "tags" not in sluice("schema", pipeline, "--version", "0")[1]
    first, second = json.loads(sluice("schema", pipeline, "--json")[1])
    assert first["schema"] == FIRST.jsonValue()
    assert second["added"] == {"s.b": "/in/b.json", "tags": "/in/c.json"}


def test_pipeline_without_a_kept_schema_says_so(tmp_path: Path, sluice: Sluice) -> None:
    """One that declares its schema never has one."""
    _, out, _ = sluice("schema", written(tmp_path, "{}"))
    code, _, error = sluice("schema", written(tmp_path, "{schema: id int}"))

    assert "no version: none" in out
    assert code == 64
    assert "declares its schema" in error


def test_fields_that_were_undone_are_named(pipeline: str, sluice: Sluice) -> None:
    """They are in no column, and a file may have them."""
    location = Path(pipeline).parent / "lake" / "schemas" / "orders"
    undo = SchemaVersion(number=2, schema=FIRST, undone=(("s", "b"), ("tags",)))
    keep_version(str(location), undo)

    _, out, _ = sluice("schema", pipeline)

    assert "/in/b.json" not in out
    assert "undone, so rescued: s.b, tags" in out
    newest = json.loads(sluice("schema", pipeline, "--json")[1])[-1]
    assert newest["undone"] == [["s", "b"], ["tags"]]


def test_changes_of_each_version_are_shown(pipeline: str, sluice: Sluice) -> None:
    """Added, wider, undone, back: each with the file that brought it."""
    location = str(Path(pipeline).parent / "lake" / "schemas" / "orders")
    wider = StructType().add("id", DecimalType(20, 0)).add(FIRST["s"])
    back = StructType().add(wider["id"]).add(SECOND["s"]).add(SECOND["tags"])
    tags = {"undone": (("tags",), ("s", "b"))}
    for version in (
        SchemaVersion(number=2, schema=SECOND, undone=()),
        SchemaVersion(number=3, schema=wider, widened={"id": "/d.json"}, **tags),
        SchemaVersion(number=4, schema=back, undone_to=1),
    ):
        keep_version(location, version)

    changes = json.loads(sluice("schema", pipeline, "diff", "--json")[1])

    assert [tuple(each.values()) for each in changes] == [
        (1, "added", "s.b", "string", "/in/b.json"),
        (1, "added", "tags", "array<string>", "/in/c.json"),
        (3, "wider", "id", "bigint → decimal(20,0)", "/d.json"),
        (3, "undone", "s.b", "string", None),
        (3, "undone", "tags", "array<string>", None),
        (4, "back", "s.b", "string", None),
        (4, "back", "tags", "array<string>", None),
    ]
    shown = sluice("schema", pipeline, "diff", "--version", "1")[1]
    assert ("/in/c.json" in shown, "/d.json" in shown) == (True, False)
    assert "none" in sluice("schema", pipeline, "diff", "--version", "2")[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--to", "0"],
        ["--dry-run"],
        ["--yes"],
        ["undo", "--version", "0"],
        ["diff", "--to", "0"],
    ],
)
def test_options_of_another_action_are_refused(
    pipeline: str, sluice: Sluice, arguments: list[str]
) -> None:
    """None is accepted and passed over."""
    code, _, error = sluice("schema", pipeline, *arguments)

    assert code == 64
    assert "undo --to 0" in error


def test_undo_before_the_first_run_is_refused(tmp_path: Path, sluice: Sluice) -> None:
    """There is no schema yet."""
    code, _, error = sluice("schema", written(tmp_path, "{}"), "undo")

    assert code == 64
    assert "no schema version yet" in error
