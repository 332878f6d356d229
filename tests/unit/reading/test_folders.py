"""Columns that the names of folders give."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from sluice.formats.json import JsonFormat
from sluice.formats.text import TextFormat
from sluice.model import LedgerFile
from sluice.reading.folders import folder_values, infer_folder_columns
from support.reading import OUTPUT, land, read, whole


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/in/a.json", {}),
        ("/in/dt=2026-01-01/a.json", {"dt": "2026-01-01"}),
        ("/in/x/dt=1/y/region=eu/a.json", {"dt": "1", "region": "eu"}),
        ("/in/a%3Db=c%2Fd%20e/a.json", {"a=b": "c/d e"}),
        ("/in/k=a=b/a.json", {"k": "a=b"}),
        ("/in/dt=__HIVE_DEFAULT_PARTITION__/a.json", {"dt": None}),
        ("/in/dt=/=1/x/a=1.json", {}),
        ("/else/dt=1/a.json", {}),
    ],
)
def test_folders_below_the_base_give_values(
    path: str, values: dict[str, str | None]
) -> None:
    """As Spark finds partitions; a file's own name is none."""
    assert folder_values(path, "/in") == values


def test_folders_of_the_base_give_none() -> None:
    """What reads one partition has no column of it, as with Spark."""
    assert folder_values("/in/dt=1/hour=2/a", "/in/dt=1") == {"hour": "2"}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "02"], pa.int32()),
        (["1", "3000000000"], pa.int64()),
        (["1", "1.5"], pa.float64()),
        (["2026-01-01"], pa.date32()),
        (["2026-01-01 10:00:00"], pa.timestamp("us", "UTC")),
        (["2026-01-01", "2026-01-01 10:00:00"], pa.timestamp("us", "UTC")),
        (["2026-01"], pa.string()),
        (["9" * 30], pa.string()),
        (["1", "eu"], pa.string()),
        (["__HIVE_DEFAULT_PARTITION__"], pa.string()),
        (["__HIVE_DEFAULT_PARTITION__", "1"], pa.int32()),
    ],
)
def test_types_are_inferred_as_spark_infers_them(
    values: list[str], kind: pa.DataType
) -> None:
    """The narrowest that holds all values; without types each is a string."""
    paths = [f"/in/k={value}/a" for value in values]

    assert infer_folder_columns(paths, "/in", named=None, typed=True) == [
        pa.field("k", kind)
    ]
    assert infer_folder_columns(paths, "/in", named=None, typed=False) == [
        pa.field("k", pa.string())
    ]


def test_named_columns_alone_are_taken() -> None:
    """In the order of their names, also where no file has one; none is none."""
    paths = ["/in/a=1/b=2/c"]

    named = infer_folder_columns(paths, "/in", named=["c", "b"], typed=True)
    assert named == [pa.field("c", pa.string()), pa.field("b", pa.int32())]
    assert infer_folder_columns(paths, "/in", named=[], typed=True) == []


def landed(folder: Path, *places: str) -> list[LedgerFile]:
    """Write a file with one row in each place."""
    files = []
    for seq, place in enumerate(places):
        (folder / place).mkdir(parents=True, exist_ok=True)
        file = land(folder / place, f"{seq}.json", b'{"i": %d, "dt": "data"}' % seq)
        files.append(replace(file, seq=seq))
    return files


def test_each_file_has_the_values_of_its_own_folders(tmp_path: Path) -> None:
    """Also small files that are parsed together; a field of the name is rescued."""
    files = landed(tmp_path, "dt=2026-01-01", "dt=2026-01-01", "dt=2026-01-02", "other")
    output = OUTPUT.insert(1, pa.field("dt", pa.date32()))
    plan = {"base": str(tmp_path), "partition_columns": ("dt",), "output": output}

    rows = read(*map(whole, files), **plan)

    first, second = date(2026, 1, 1), date(2026, 1, 2)
    assert [(row["i"], row["dt"]) for row in rows] == [
        (0, first),
        (1, first),
        (2, second),
        (3, None),
    ]
    assert {json.loads(row["_rescued_data"])["dt"] for row in rows} == {"data"}


def test_value_that_does_not_fit_is_rescued(tmp_path: Path) -> None:
    """With its text, in each row of the file."""
    (file,) = landed(tmp_path, "hour=x")
    output = OUTPUT.insert(1, pa.field("hour", pa.int32()))
    plan = {"base": str(tmp_path), "partition_columns": ("hour",), "output": output}

    (row,) = read(whole(file), **plan)

    assert row["hour"] is None
    assert json.loads(row["_rescued_data"])["hour"] == "x"


def test_format_with_columns_of_its_own_has_those_of_folders_too(
    tmp_path: Path,
) -> None:
    """It is not asked for them."""
    (file,) = landed(tmp_path, "dt=1")
    output = pa.schema([("value", pa.string()), ("dt", pa.string())])
    plan = {"base": str(tmp_path), "partition_columns": ("dt",), "output": output}

    (row,) = read(whole(file), format=TextFormat(), **plan)

    assert row["dt"] == "1"
    assert row["value"].startswith("{")
    assert JsonFormat().reads_together
