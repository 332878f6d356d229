from __future__ import annotations

import io
import json
import math
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluice.formats import json as module
from sluice.formats.base import rescued_json
from sluice.formats.json import parse_block, parse_document, record_lines
from sluice.formats.streams import line_blocks

COLUMNS = pa.schema(
    [
        ("s", pa.string()),
        ("d", pa.float64()),
        ("f", pa.float32()),
        ("i", pa.int64()),
        ("n", pa.int8()),
        ("b", pa.bool_()),
        ("t", pa.struct([("x", pa.int64()), ("y", pa.string())])),
        ("l", pa.list_(pa.field("element", pa.float64()))),
    ]
)
FLAT = pa.schema([field for field in COLUMNS if field.name not in "tl"])


def rows(block: bytes, columns: pa.Schema = COLUMNS) -> list[tuple[dict, str | None]]:
    """Return each row's values that are there, and what of it is rescued."""
    found = []
    for parsed in parse_block(block, columns):
        records = parsed.records or [None] * parsed.columns.num_rows
        values = parsed.columns.to_pylist()
        found += [
            (present(row), rescue(one))
            for row, one in zip(values, records, strict=True)
        ]
    return found


def present(row: dict) -> dict:
    """Return the values that are not null."""
    return {name: value for name, value in row.items() if value is not None}


def rescue(record) -> str | None:
    """Return the rescued text of a record without the path of its file."""
    text = record and rescued_json(record, "/in/a")
    if text is None:
        return None
    assert json.loads(text)["_file_path"] == "/in/a"
    return text.removesuffix('"_file_path":"/in/a"}').removesuffix(",") + "}"


def took_fast_path(block: bytes, columns: pa.Schema = COLUMNS) -> bool:
    """Tell whether no record was read carefully."""
    return all(parsed.records is None for parsed in parse_block(block, columns))


def carefully(block: bytes, columns: pa.Schema) -> list[tuple[dict, str | None]]:
    """Return what :func:`rows` does, by the careful path alone."""
    lines = record_lines(block)
    if not lines:
        return []
    parsed = module._parse_carefully(lines, columns)
    pairs = zip(parsed.columns.to_pylist(), parsed.records or (), strict=True)
    return [(present(row), rescue(record)) for row, record in pairs]


# value -> (what the column holds, what is rescued); None is nothing
VALUES = {
    ("s", '"x"'): ("x", None),
    ("s", '""'): ("", None),
    ("s", '"\\u00e9\\ud83d\\ude00\\/"'): ("é😀/", None),
    ("s", '"a\\u0000b"'): ("a\0b", None),
    ("s", "1.10"): ("1.10", None),
    ("s", "1e5"): ("1e5", None),
    ("s", "true"): ("true", None),
    ("s", "null"): (None, None),
    ("s", '{"a": 1.10}'): ('{"a": 1.10}', None),
    ("s", "[1,  2]"): ("[1,  2]", None),
    ("s", "NaN"): ("NaN", None),
    ("d", "1"): (1.0, None),
    ("d", "-0.0"): (-0.0, None),
    ("d", "-0"): (-0.0, None),
    ("d", "1E5"): (100000.0, None),
    ("d", "1e-999"): (0.0, None),
    ("d", "NaN"): (math.nan, None),
    ("d", "Infinity"): (math.inf, None),
    ("d", "-Infinity"): (-math.inf, None),
    ("d", '"NaN"'): (math.nan, None),
    ("d", "1e999"): (None, "1e999"),
    ("d", "-1e999"): (None, "-1e999"),
    ("d", "9" * 400): (None, "9" * 400),
    ("d", '"1.5"'): (None, '"1.5"'),
    ("d", "true"): (None, "true"),
    ("f", "1.5"): (1.5, None),
    ("f", "1e39"): (None, "1e39"),
    ("i", "9223372036854775807"): (9223372036854775807, None),
    ("i", "-9223372036854775808"): (-9223372036854775808, None),
    ("i", "9223372036854775808"): (None, "9223372036854775808"),
    ("i", "1.0"): (None, "1.0"),
    ("i", "1e3"): (None, "1e3"),
    ("i", '"1"'): (None, '"1"'),
    ("i", "NaN"): (None, '"NaN"'),
    ("n", "127"): (127, None),
    ("n", "128"): (None, "128"),
    ("b", "false"): (False, None),
    ("b", "1"): (None, "1"),
    ("b", '"true"'): (None, '"true"'),
    ("t", "{}"): ({"x": None, "y": None}, None),
    ("t", '{"x": 1, "y": "z"}'): ({"x": 1, "y": "z"}, None),
    ("t", '{"x": 1, "new": 1.10}'): ({"x": 1, "y": None}, '{"new":1.10}'),
    ("t", '{"x": "1", "y": 2}'): ({"x": None, "y": "2"}, '{"x":"1"}'),
    ("t", "[]"): (None, "[]"),
    ("t", "1"): (None, "1"),
    ("l", "[]"): ([], None),
    ("l", "[1, null, 2.5]"): ([1.0, None, 2.5], None),
    ("l", '[1, "a"]'): (None, '[1, "a"]'),
    ("l", "[[1]]"): (None, "[[1]]"),
    ("l", "{}"): (None, "{}"),
    ("new", "1.10"): (None, "1.10"),
    ("new", '{"deep": [1.10, {"a": null}]}'): (None, '{"deep": [1.10, {"a": null}]}'),
    ("new", "null"): (None, None),
    ("", "1"): (None, "1"),
    ("S", '"case"'): (None, '"case"'),
    ("s'", '"quote"'): (None, '"quote"'),
}


@pytest.mark.parametrize(("name", "text"), VALUES)
def test_value_fits_or_is_rescued_to_the_letter(name: str, text: str) -> None:
    """``1.10`` that comes back as ``1.1`` has lost what the sender wrote."""
    value, rescued = VALUES[name, text]
    block = f'{{"{name}": {text}}}'.encode()

    ((found, kept),) = rows(block)

    assert repr(found) == repr({} if value is None else {name: value})
    assert kept == (None if rescued is None else f'{{"{name}":{rescued}}}')


@pytest.mark.parametrize(("name", "text"), VALUES)
def test_value_does_not_depend_on_its_neighbours(name: str, text: str) -> None:
    """A record that fits goes the fast way or the careful one, by who stands by it."""
    block = f'{{"{name}": {text}}}'.encode()

    alone = rows(block)

    assert repr(carefully(block, COLUMNS)) == repr(alone)
    assert repr(rows(block + b"\n[]")[:1]) == repr(alone)
    assert repr(rows(b'{"i": 1}\n' + block)[1:]) == repr(alone)


CORRUPT = [
    b"null",
    b"true",
    b"1",
    b'"text"',
    b"[]",
    b'[{"i": 1}]',
    b"{",
    b"}",
    b"{]",
    b"nope",
    b'{"i": 1',
    b'{"i": 1}}',
    b'{"i": 1}{"i": 2}',
    b'{"i": 1} {"i": 2}',
    b'{"i": 1}, {"i": 2}',
    b'{"i": 1},',
    b'{"i": 1,}',
    b'{"i": 01}',
    b'{"i": +1}',
    b'{"d": 1.}',
    b'{"d": .5}',
    b'{"d": 0x10}',
    b'{"d": nan}',
    b'{"d": 1NaN}',
    b"{i: 1}",
    b"{'i': 1}",
    b'{"i" 1}',
    b'{"i": 1} // note',
    b'{"i": 1}\0',
    b"\0",
    b'{"s": "a\x01b"}',
    b'{"s": "\\x"}',
    b'{"s": "open}',
    b'{"s": "\\ud800"}',
    b'{"\xff": 1}',
    b'{"new": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    b"\xff\xfe",
]


@pytest.mark.parametrize("line", CORRUPT, ids=lambda line: repr(line[:20]))
@pytest.mark.parametrize("columns", [COLUMNS, FLAT], ids=["nested", "flat"])
def test_line_that_is_no_object_is_one_corrupt_record(
    line: bytes, columns: pa.Schema
) -> None:
    """It is kept as text, it takes no neighbour with it, and nothing crashes."""
    found = rows(b'{"i": 1}\n' + line + b'\n{"i": 2}\n', columns)

    shown = line.decode("utf-8", "backslashreplace")
    assert [values for values, _ in found] == [{"i": 1}, {}, {"i": 2}]
    assert json.loads(found[1][1] or "{}") == {"_corrupt_record": shown}


def test_null_in_the_first_line_does_not_crash() -> None:
    """Pyarrow 26 dies of a segmentation fault on it."""
    assert [values for values, _ in rows(b'null\n{"i": 1}')] == [{}, {"i": 1}]
    assert [values for values, _ in rows(b" null \n")] == [{}]


def test_object_broken_over_two_lines_is_two_corrupt_records() -> None:
    """Pyarrow reads over the break, and two objects in a line make the count fit."""
    found = rows(b'{"t":\n{"x": 1}}{"s": null}')

    assert [values for values, _ in found] == [{}, {}]
    assert all(rescued and "_corrupt_record" in rescued for _, rescued in found)


@pytest.mark.parametrize("raw", [b'"\xff"', b'"\xed\xa0\x80"', b'["\xc3"]'])
@pytest.mark.parametrize("name", ["s", "new"])
def test_invalid_utf8_is_rescued_as_valid_json(raw: bytes, name: str) -> None:
    """A table must not hold bytes that are no text, nor rescued text nobody parses."""
    ((values, rescued),) = rows(b'{"i": 1, "%b": %b}' % (name.encode(), raw), FLAT)

    assert values == {"i": 1}
    shown = raw.decode("utf-8", "backslashreplace")
    assert json.loads(rescued or "") == {name: shown}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\n\n", b"\n  \t\n"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends(end: bytes, last: bool) -> None:
    """Files come from all systems, and some end without an end."""
    block = end.join([b'{"i": 1}', b'{"i": 2}', b'{"i": 3}']) + (end if last else b"")

    assert [values["i"] for values, _ in rows(block)] == [1, 2, 3]


@pytest.mark.parametrize("block", [b"", b"\n", b" \r\n\t\n", b"\xef\xbb\xbf"])
def test_nothing_is_no_record(block: bytes) -> None:
    """An empty file has no rows, not one of nulls."""
    assert list(parse_block(block, COLUMNS)) == []
    assert list(parse_document(block, COLUMNS)) == []


def test_byte_order_mark_is_no_part_of_a_record() -> None:
    """Also in the middle, where files with marks were put together."""
    mark = b"\xef\xbb\xbf"

    assert [v for v, _ in rows(mark + b'{"i": 1}\n' + mark + b'{"i": 2}')] == [
        {"i": 1},
        {"i": 2},
    ]


def test_last_of_repeated_keys_counts() -> None:
    """JSON leaves it open; all our ways of reading agree."""
    ((values, rescued),) = rows(b'{"i": 1, "i": 2}')

    assert (values, rescued) == ({"i": 2}, None)


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
    st.sampled_from(CORRUPT[:-2]),
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


@given(lines=st.lists(LINE, max_size=6))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_rescued_text_is_valid_json(lines: list[bytes]) -> None:
    """Whatever was in the file, the rescued column can be parsed by anybody."""
    for _, rescued in rows(b"\n".join(lines)):
        if rescued is not None:
            json.loads(rescued)


def test_other_types_are_read_carefully() -> None:
    """Types that pyarrow's parser lacks come out right or are rescued."""
    columns = pa.schema(
        [("m", pa.map_(pa.string(), pa.int64())), ("e", pa.decimal128(38, 18))]
    )
    block = b'{"m": {"a": 1, "b": null}, "e": 12345678901234567890.123456789012345678}'

    ((values, rescued),) = rows(block, columns)

    assert rescued is None
    assert values == {
        "m": [("a", 1), ("b", None)],
        "e": Decimal("12345678901234567890.123456789012345678"),
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{\n "i": 1,\n "s": "x"\n}', [1]),
        (b'[\n{"i": 1},\n{"i":\n 2}]\n', [1, 2]),
        (b'\xef\xbb\xbf [{"i": 1}]', [1]),
        (b"[]", []),
        (b'[1, {"i": 2}, null]', [None, 2, None]),
        (b'[{"i": 1}', [None]),
        (b"nope", [None]),
    ],
)
def test_document_is_one_object_or_an_array(
    content: bytes, expected: list[int | None]
) -> None:
    """``multiLine`` reads a file as a whole; what is no object is a corrupt record."""
    found = [
        value
        for parsed in parse_document(content, COLUMNS)
        for value in parsed.columns["i"].to_pylist()
    ]

    assert found == expected


CONTENT = st.lists(
    st.sampled_from([b"a", b"bb", b"\n", b"\n\n", b"\r\n", b"x" * 40]), max_size=30
).map(b"".join)


@given(CONTENT, st.lists(st.integers(0, 400), max_size=6), st.integers(1, 64))
@settings(max_examples=100, deadline=None, derandomize=True)
@example(b"aa\nbb", [3], 1)
@example(b"aa\nbb", [2], 1)
@example(b"\n\n", [1], 8)
def test_ranges_share_no_line_and_miss_none(
    content: bytes, cuts: list[int], block_bytes: int
) -> None:
    """A large file is read by many tasks, each line by exactly one."""
    borders = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    stream = io.BytesIO(content)

    blocks = [
        block
        for start, end in pairwise(borders)
        for block in line_blocks(stream, start, end, block_bytes)
    ]

    assert b"".join(blocks) == content
    assert all(block.endswith(b"\n") for block in blocks[:-1])


def test_huge_line_is_whole(tmp_path: Path) -> None:
    """A line longer than a block, over several ranges, belongs to where it begins."""
    huge = json.dumps({"s": "x" * 1000}).encode()
    content = b'{"i": 1}\n' + huge + b'\n{"i": 2}'
    path = tmp_path / "a.json"
    path.write_bytes(content)

    with path.open("rb") as stream:
        ranges = [(start, start + 100) for start in range(0, len(content), 100)]
        found = [b"".join(line_blocks(stream, *each, 64)) for each in ranges]

    assert [block for block in found if block] == [
        b'{"i": 1}\n' + huge + b"\n",
        b'{"i": 2}',
    ]


def test_raw_text_is_kept_by_msgspec() -> None:
    """All exactness rests on raw text being untouched and without space around it."""
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])

    fields = decoder.decode(b'{ "a" : 1.10 , "b" : [ 1 ] }')

    assert [bytes(raw) for raw in fields.values()] == [b"1.10", b"[ 1 ]"]
