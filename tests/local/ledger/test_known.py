from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import Condition, FatalError
from sluice.ledger import known as module
from sluice.ledger.known import Known
from sluice.ledger.ledger import Ledger
from sluice.model import FileVersion

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def version(path: str) -> FileVersion:
    """Return a file as a listing saw it."""
    return FileVersion(path, 1, MOMENT)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Return an empty ledger."""
    return Ledger.open_or_create(str(tmp_path))


@given(
    known=st.sets(st.text(min_size=1), max_size=30),
    pages=st.lists(st.lists(st.text(min_size=1), max_size=10), max_size=5),
)
@settings(max_examples=200, deadline=None)
def test_exactly_the_unknown_names_are_found(
    known: set[str], pages: list[list[str]]
) -> None:
    """A name that is known always matches; another does by a chance of 2**-64."""
    compared = Known()
    compared._take(compared._hash_paths("/in/", list(known)))

    found = compared.new_names([("/in/", names) for names in pages])

    assert found == [
        [position for position, name in enumerate(names) if name not in known]
        for names in pages
    ]


def test_each_comparison_has_a_salt_of_its_own() -> None:
    """Two paths that share a hash in one discovery must not do so in the next."""
    hashes = {int(Known()._hash_paths("/in/", ["a"])[0]) for _ in range(20)}

    assert len(hashes) == 20


def test_salt_does_not_hang_on_pythonhashseed() -> None:
    """Spark sets it, and all its Python processes then hash alike."""
    code = (
        "from sluice.ledger.known import Known\n"
        "print(Known()._hash_paths('/in/', ['a'])[0])"
    )
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            check=True,
        ).stdout
        for _ in range(2)
    }

    assert len(seen) == 2


def test_texts_of_other_width_do_not_hash_alike() -> None:
    """Python hashes the bytes in memory, and one wide letter has those of ``ab``."""
    assert hash("ab") == hash("\u6261")
    compared = Known()
    compared._take(compared._hash_paths("", ["ab"]))

    assert compared.new_names([("", ["ab", "\u6261"])]) == [[1]]


def test_file_that_matches_by_chance_is_found_by_the_next_salt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The comparison may delay a file, and never loses one."""
    monkeypatch.setattr(module.secrets, "token_hex", lambda _: "one salt")
    unlucky = Known()
    taken = unlucky._hash_paths("", ["new"])
    unlucky._take(taken)
    assert unlucky.new_names([("", ["new"])]) == [[]]

    monkeypatch.undo()
    lucky = Known()
    lucky._take(taken)
    assert lucky.new_names([("", ["new"])]) == [[0]]


def test_only_rows_after_a_seq_are_read(ledger: Ledger) -> None:
    """Catching up costs what is new, not what is known."""
    ledger.append_new([version("a"), version("b")], run_id="1")
    compared = Known(after=1)
    compared.catch_up(ledger.snapshot())
    assert compared.new_names([("", ["a", "b"])]) == [[0]]

    ledger.append_new([version("c")], run_id="2")
    compared.catch_up(ledger.snapshot())

    assert compared.new_names([("", ["a", "b", "c"])]) == [[0]]
    assert compared.seq == 3


@pytest.mark.parametrize(
    ("other", "is_new"),
    [
        ({}, False),
        ({"modified": MOMENT + timedelta(microseconds=1)}, True),
        ({"size": 2}, True),
        ({"etag": "other"}, True),
        ({"etag": None}, True),
        ({"path": "b"}, True),
    ],
)
def test_versions_differ_by_time_size_and_etag(
    ledger: Ledger, other: dict[str, object], *, is_new: bool
) -> None:
    """A bucket's times are whole seconds, so two writes may differ in the etag only."""
    file = replace(version("a"), etag="first")
    ledger.append_new([file], run_id="1")
    compared = Known(by_version=True)
    compared.catch_up(ledger.snapshot())

    assert compared.new_files([replace(file, **other)]) == ([0] if is_new else [])


def test_missing_rows_are_refused(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file whose row is gone would get a second seq, and be read twice."""
    ledger.append_new([version("a"), version("b")], run_id="1")
    ledger._files().delete("path = 'a'")

    with pytest.raises(FatalError) as caught:
        Known().catch_up(ledger.snapshot())

    assert caught.value.condition is Condition.LEDGER_UNREADABLE
    assert caught.value.context == {"expected": 2, "found": 1}


def test_all_hashes_are_kept_sorted(ledger: Ledger) -> None:
    """The look-up is a binary search."""
    compared = Known()
    for turn in range(5):
        ledger.append_new([version(f"{turn}-{each}") for each in range(9)], run_id="1")
        compared.catch_up(ledger.snapshot())

    assert (np.diff(compared._hashes.astype(object)) >= 0).all()
    assert len(compared._hashes) == 45
