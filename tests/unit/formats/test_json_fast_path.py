"""A record becomes the same row on the fast path and on the careful one."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluice.formats.json import parse_block
from support.json_rows import BEHIND, COLUMNS, CORRUPT, FLAT, carefully, rows


def took_fast_path(block: bytes, columns: pa.Schema = COLUMNS) -> bool:
    """Return True if no record was read carefully."""
    return all(parsed.records is None for parsed in parse_block(block, columns))


def test_plain_records_take_the_fast_path() -> None:
    """Records that fit must not pay for the odd ones of other files."""
    block = b'{"s": "x", "d": 1.5, "i": 1, "t": {"x": 1}, "l": [1]}\n{}\n' * 3

    assert took_fast_path(block)


def test_one_odd_record_slows_only_its_neighbours() -> None:
    """Halving leaves most of a block to the fast path."""
    lines = [b'{"i": 1}'] * 4000
    lines[1234] = b'{"i": "x"}'

    parsed = list(parse_block(b"\n".join(lines), COLUMNS))

    careful = [one.columns.num_rows for one in parsed if one.records is not None]
    assert sum(careful) <= 256
    assert sum(one.columns.num_rows for one in parsed) == 4000


def test_new_field_everywhere_does_not_slow_flat_records() -> None:
    """The usual change, a field more, leaves the typed columns to pyarrow."""
    block = b'{"i": 1, "new": 1.10}\n{"i": 2}\n' * 300

    (parsed,) = parse_block(block, FLAT)

    assert parsed.columns["i"].to_pylist() == [1, 2] * 300
    assert parsed.records is not None
    assert {each.new_fields for each in parsed.records} == {("new",), ()}


def test_rows_keep_their_order() -> None:
    """However a block is halved, its rows come as they stood."""
    lines = [
        json.dumps({"i": number if number % 97 else str(number)})
        for number in range(3000)
    ]

    found = rows("\n".join(lines).encode())

    assert [values.get("i") for values, _ in found] == [
        number if number % 97 else None for number in range(3000)
    ]


SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([1e300, -0.0, "NaN", 128, 10**400]),
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["x", "y", "z", ""]), inner, max_size=3)
    ),
    max_leaves=5,
)
LINE = st.one_of(
    st.dictionaries(
        st.sampled_from([*COLUMNS.names, "new", "S"]), VALUE, max_size=4
    ).map(lambda record: json.dumps(record).encode()),
    st.dictionaries(st.sampled_from(COLUMNS.names), VALUE, max_size=3).map(
        lambda record: json.dumps(record, ensure_ascii=False).encode(errors="replace")
    ),
    st.sampled_from(
        [*CORRUPT[:-2], b'{"s": "\\ud800"}', b"{'d': -NaN}", b'{"d": -NaN}']
    ),
    st.sampled_from(BEHIND).map(b'{"i": 1}'.__add__),
    st.binary(max_size=6),
)


@pytest.mark.parametrize("columns", [COLUMNS, FLAT], ids=["nested", "flat"])
@given(lines=st.lists(LINE, max_size=6))
@settings(max_examples=60, deadline=None, derandomize=True)
@example(lines=[b'{"t":', b'{"x": 1}}{"s": null}'])
@example(lines=[b'{"d": 1', b"}"])
def test_fast_path_agrees_with_careful_path(
    columns: pa.Schema, lines: list[bytes]
) -> None:
    """What a record becomes is decided by the record, not by the way it was read."""
    block = b"\n".join(lines)

    assert repr(rows(block, columns)) == repr(carefully(block, columns))


TIMES = pa.schema(
    [
        ("day", pa.date32()),
        ("at", pa.timestamp("us", "UTC")),
        ("local", pa.timestamp("us")),
    ]
)
TIME_TEXTS = st.sampled_from(
    [
        *("2026-01-31", "2026-1-3", "2026-02-30", "0000-01-01", "10000-01-01", "2026"),
        *("2026-01-31 12:30:00", "2026-01-31T12:30:00.123456Z", "2026-01-31T12:30"),
        *("2026-01-31T12:30:00+01:00", "2026-01-31 12:30:00.1234567", " 2026-01-31 "),
        *("", "soon", None, 1, 1.5, True, [], "0001-01-01", "9999-12-31T23:59:59Z"),
    ]
)


@given(st.lists(st.dictionaries(st.sampled_from(TIMES.names), TIME_TEXTS), max_size=4))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_times_are_the_same_on_both_paths(records: list[dict]) -> None:
    """Whole columns of text are converted at once, or each on its own."""
    block = "\n".join(map(json.dumps, records)).encode()

    assert repr(rows(block, TIMES)) == repr(carefully(block, TIMES))


def test_times_take_the_fast_path() -> None:
    """Most tables have some, and each would cost as much as ten other columns."""
    block = b'{"day": "2026-01-31", "at": "2026-01-31T12:30:00Z"}\n' * 3

    assert took_fast_path(block, TIMES)


@given(lines=st.lists(LINE, max_size=6))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_rescued_text_is_valid_json(lines: list[bytes]) -> None:
    """Whatever was in the file, every parser reads the rescued column."""
    for _, rescued in rows(b"\n".join(lines)):
        if rescued is not None:
            json.loads(rescued)
