"""Landing hour by hour, with the folder as the only state."""

from __future__ import annotations

import json

from sluice.sample import land_next_hour
from sluice.sample.orders import FIRST_HOUR, HOUR


def land(folder, seed=1):
    """Land an hour of three small files."""
    return land_next_hour(str(folder), files=3, rows=5, seed=seed)


def contents(folder) -> dict[str, bytes]:
    """Return the files of ``folder`` by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_call_lands_the_next_hour(tmp_path):
    """The names in the folder say which hour came last."""
    hours = [land(tmp_path / "landing").hour for _ in range(3)]

    assert hours == [FIRST_HOUR, FIRST_HOUR + HOUR, FIRST_HOUR + 2 * HOUR]


def test_the_same_seed_lands_the_same_bytes(tmp_path):
    """Two machines that follow the README see the same numbers."""
    for folder in ("a", "b"):
        land(tmp_path / folder)
        land(tmp_path / folder)

    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_what_is_returned_is_what_landed(tmp_path):
    """Paths and rows are counted again from the disk; no draft is left."""
    landed = land(tmp_path)
    lines = [
        line for path in tmp_path.iterdir() for line in path.read_text().splitlines()
    ]

    assert sorted(landed.paths) == sorted(str(path) for path in tmp_path.iterdir())
    assert landed.rows == len(lines) == 15
    assert set(json.loads(lines[0])) == {
        "order_id",
        "customer_id",
        "order_date",
        "total_amount",
        "payment_method",
        "product_id",
        "quantity",
    }


def test_other_files_do_not_change_what_comes_next(tmp_path):
    """A draft that a killed call has left, or another file, is no hour."""
    (tmp_path / ".orders_stream_2030010100_00000.json.draft").write_text("{")
    (tmp_path / "orders_stream_x.json").write_text("{}")

    assert land(tmp_path).hour == FIRST_HOUR


def test_every_file_is_complete_when_it_appears(tmp_path, monkeypatch):
    """A listing at any moment sees whole files only, for drafts have hidden names."""
    seen = []
    rename = type(tmp_path).replace

    def listing_first(self, target):
        visible = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
        seen.extend(path.read_text().endswith("}\n") for path in visible)
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "replace", listing_first)
    land(tmp_path)

    assert seen == [True, True, True]
