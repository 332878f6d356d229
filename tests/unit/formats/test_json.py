from __future__ import annotations

import io
import json
import math
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pyarrow as pa
import pytest

from sluice.formats.base import FileRange, ParsedBlock
from sluice.formats.json import JsonFormat, parse_block, parse_document
from sluice.formats.streams import BadFileError
from support.json_rows import BEHIND, COLUMNS, CORRUPT, FLAT, carefully, rows

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
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
    ("d", "+INF"): (math.inf, None),
    ("d", '"+Infinity"'): (math.inf, None),
    ("d", "Inf"): (None, '"Inf"'),
    ("d", "-NaN"): (None, '"-NaN"'),
    ("d", '"Inf"'): (None, '"Inf"'),
    ("d", '"-NaN"'): (None, '"-NaN"'),
    ("s", '{"t": [NaN, -Inf]}'): ('{"t": [NaN, -Inf]}', None),
    ("s", r'"cut \ud83d"'): (None, r'"\"cut \\ud83d\""'),
    ("s", "'it\\'s'"): ("it's", None),
    ("t", r'{"x": 1, "y": "\ud83d"}'): (
        {"x": 1, "y": None},
        r'{"y":"\"\\ud83d\""}',
    ),
    ("t", "{'x': 1, 'y': {'z': '\"'}, 'n': ['q']}"): (
        {"x": 1, "y": "{'z': '\"'}"},
        '{"n":["q"]}',
    ),
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
    ("l", "[NaN, 'NaN', 1]"): ([math.nan, math.nan, 1.0], None),
    ("l", "[Inf, {'a': 1}]"): (None, '["Inf", {"a": 1}]'),
    ("b", "Infinity"): (None, '"Infinity"'),
    ("new", r'"\udc00\\ud83d"'): (None, r'"\"\\udc00\\\\ud83d\""'),
    ("new", r'"\ud83d\ude00"'): (None, r'"\ud83d\ude00"'),
    ("new", "{'a': NaN}"): (None, '{"a": "NaN"}'),
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
    assert repr(rows(block + b"\n1")[:1]) == repr(alone)
    assert repr(rows(b'{"i": 1}\n' + block)[1:]) == repr(alone)


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


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("columns", [COLUMNS, FLAT], ids=["nested", "flat"])
def test_what_is_behind_an_object_is_rescued(behind: bytes, columns: pa.Schema) -> None:
    """The object is read, as by Spark, which drops the rest."""
    found = rows(b'{"i": 0}\n{"i": 1} ' + behind + b'\n{"i": 2}', columns)

    assert [values for values, _ in found] == [{"i": 0}, {"i": 1}, {"i": 2}]
    assert json.loads(found[1][1] or "{}") == {"_corrupt_record": behind.decode()}


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
    """A table must not hold bytes that are no text, nor rescued text but JSON."""
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


def test_raw_text_is_kept_by_msgspec() -> None:
    """All exactness rests on raw text being untouched and without space around it."""
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])

    fields = decoder.decode(b'{ "a" : 1.10 , "b" : [ 1 ] }')

    assert [bytes(raw) for raw in fields.values()] == [b"1.10", b"[ 1 ]"]


def test_document_beyond_the_limit_is_a_bad_file() -> None:
    """The memory of a worker would be as large as any file."""
    content = b'[{"i": 1}]'

    def parsed(limit: int) -> list[ParsedBlock]:
        stream = io.BytesIO(content)
        part = FileRange("/a", len(content), MOMENT, stream, 0, len(content))
        document = JsonFormat(multi_line=True, max_content_bytes=limit)
        return list(document.parse(part, COLUMNS))

    assert parsed(len(content))
    with pytest.raises(BadFileError, match=r"sluice\.maxContentBytes"):
        parsed(len(content) - 1)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'[{"i": 1},{"i": 2}]', [{"i": 1}, {"i": 2}]),
        (b' [ {"i": 1} , {"new": 2} ]\r', [{"i": 1}, {}]),
        (b"\xef\xbb\xbf[]", []),
        (b"[{}]", [{}]),
        (
            b'[{"d": -INF, "s": "Inf ]"}, {"d": 1}]',
            [{"d": -math.inf, "s": "Inf ]"}, {"d": 1}],
        ),
        (b'[{"i": 1}, 2, [{"i": 3}]]', [{"i": 1}, {}, {}]),
        (b'[{"i": 1}, {"i": 2}', [{}]),
        (b'[{"i": 1}, {"i": 2}];', [{}]),
        (b'[{"i": 1}, {"i": 2,}, {"i": 3}]', [{"i": 1}, {}, {"i": 3}]),
        (b'[{"i": 1}, {"i": tru, "s": "],"}, nope]', [{"i": 1}, {}, {}]),
        (
            b"[{'i': 1, 's': '\"],'}, , {\"i\": 2}]",
            [{"i": 1, "s": '"],'}, {}, {"i": 2}],
        ),
        (b'[{"i": 1, "s": "\\ud83d"}, {"i": 2}]', [{"i": 1}, {"i": 2}]),
    ],
)
@pytest.mark.parametrize("columns", [COLUMNS, FLAT], ids=["nested", "flat"])
def test_array_in_a_line_gives_its_elements_as_rows(
    line: bytes, expected: list[dict], columns: pa.Schema
) -> None:
    """As Spark's reader does; an array that is broken is one corrupt record."""
    found = rows(b'{"i": 0}\n' + line + b'\n{"i": 9}', columns)

    assert [values for values, _ in found] == [{"i": 0}, *expected, {"i": 9}]


def test_element_that_is_no_object_is_a_corrupt_record() -> None:
    """It is kept as text, and its neighbours are rows."""
    found = rows(b'[{"i": 1}, 1.10, {"i": "x"}]')

    assert [rescued for _, rescued in found] == [
        None,
        '{"_corrupt_record":"1.10"}',
        '{"i":"x"}',
    ]
