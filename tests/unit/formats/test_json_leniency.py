"""What is taken beyond JSON, each by an option of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.formats.base import rescued_json
from sluice.formats.json import JsonFormat, parse_block, parse_document
from sluice.formats.json_dialect import Dialect
from sluice.formats.json_leniency import Leniency

COLUMNS = pa.schema([("s", pa.string()), ("d", pa.float64())])
STRICT = Leniency(single_quotes=False, not_finite=False)
# option -> line, what its columns hold
TAKEN = {
    "single_quotes": [
        ("{'s': 'it\\'s \"x\"'}", 'it\'s "x"', None),
        ("{'s': {'a': ['\"']}}", "{'a': ['\"']}", None),
    ],
    "unquoted_names": [
        ('{s: "x"}', "x", None),
        ('{d :1, $_x9: null, é: null, a-b: null, "s": "a:b"}', "a:b", 1.0),
    ],
    "not_finite": [
        ('{"d": -Infinity}', None, float("-inf")),
        ('{"d": "+INF", "s": NaN}', "NaN", float("inf")),
    ],
    "comments": [
        ('/* } */ {"s"/**/: /* " */ "/* x */", "d": 1} // end', "/* x */", 1.0),
    ],
    "control_chars": [('{"s": "a\tb\x01"}', "a\tb\x01", None)],
    "leading_zeros": [
        ('{"d": -007.50, "s": 007}', "007", -7.5),
        ('{"d": 00}', None, 0.0),
    ],
    "any_escape": [('{"s": "\\a\\é\\n\\u0041"}', "aé\nA", None)],
}
CASES = [(name, *case) for name, cases in TAKEN.items() for case in cases]


def parsed(line: str, leniency: Leniency) -> tuple[dict, str | None]:
    """Return the row of a line, and what is rescued of it."""
    blocks = parse_block(line.encode(), COLUMNS, Dialect(leniency=leniency))
    ((row, record),) = [
        pair
        for block in blocks
        for pair in zip(block.columns.to_pylist(), block.records or [None], strict=True)
    ]
    return row, record and rescued_json(record, "/a")


@pytest.mark.parametrize(("name", "line", "text", "number"), CASES)
def test_option_takes_what_it_names_alone(
    name: str, line: str, text: str | None, number: float | None
) -> None:
    """Without it the line is corrupt, or what it took is rescued."""
    strict = dict.fromkeys(TAKEN, False)

    taken = parsed(line, Leniency(**(strict | {name: True})))
    all_others = parsed(line, Leniency(**(dict.fromkeys(TAKEN, True) | {name: False})))

    assert taken == ({"s": text, "d": number}, None)
    assert all_others[1] is not None


def test_rescued_text_of_a_lenient_record_is_json() -> None:
    """Numbers that JSON does not have are strings, so that no digit is lost."""
    leniency = Leniency(**dict.fromkeys(TAKEN, True))
    line = "{a: 'it\\'s', b: 007, c: [NaN, {d: '\t'}], /* x */ e: 1.10}"

    _, rescued = parsed(line, leniency)

    assert json.loads(rescued or "") == {
        "a": "it's",
        "b": "007",
        "c": ["NaN", {"d": "\t"}],
        "e": 1.1,
        "_file_path": "/a",
    }
    assert "1.10" in (rescued or "")


def test_document_may_begin_with_a_comment() -> None:
    """On lines of its own, before an array."""
    document = b'\n/* orders */\n[{"a": 1}, {"a": 2}]'
    columns, dialect = (
        pa.schema([("a", pa.int64())]),
        Dialect(leniency=Leniency(comments=True)),
    )

    (block,) = parse_document(document, columns, dialect)

    assert block.columns["a"].to_pylist() == [1, 2]
    assert list(parse_document(b"/* none */", columns, dialect)) == []


def test_line_of_comments_is_no_record() -> None:
    """Where they are allowed; a file may begin with them."""
    lines = b'// made by hand\n{"d": 1} // one\n/* end */'

    def count(leniency: Leniency) -> int:
        blocks = parse_block(lines, COLUMNS, Dialect(leniency=leniency))
        return sum(block.num_rows for block in blocks)

    assert count(Leniency(comments=True)) == 1
    assert count(STRICT) == 3


PIECES = st.sampled_from(
    [
        *"{}[]:,'\"\\/* \n",
        "//",
        "/*",
        "*/",
        "\\'",
        "\\u",
        "\\ud83d",
        "007",
        "-1.5e3",
        "NaN",
        "-Inf",
        "true",
        "null",
        "s",
        '"s"',
        "'d'",
        '{"s":',
        "é",
        "\x01",
    ]
)


@given(
    pieces=st.lists(PIECES, max_size=14).map("".join),
    flags=st.fixed_dictionaries({name: st.booleans() for name in TAKEN}),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_text_is_one_row_or_none_and_nothing_raises(
    pieces: str, flags: dict[str, bool]
) -> None:
    """What is no record is rescued, and rescued text is JSON."""
    dialect = Dialect(leniency=Leniency(**flags))

    for block in parse_block(pieces.encode(), COLUMNS, dialect):
        for record in block.records or ():
            json.loads(rescued_json(record, "/a") or "{}")


def test_lenient_records_are_inferred(tmp_path: Path) -> None:
    """A file all of single quotes has columns."""
    path = tmp_path / "a.json"
    path.write_text("{'a': 1, 'b': {'c': NaN}}\n{\"a\": 2, \"d\": \"cut \\ud83d\"}\n")

    schema = JsonFormat().infer([str(path)], max_bytes=1000, typed=True)

    kinds = {"a": pa.int64(), "b": pa.struct([("c", pa.float64())]), "d": pa.string()}
    assert schema == pa.schema(kinds)
