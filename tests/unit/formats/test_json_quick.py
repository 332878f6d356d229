"""What pyarrow infers of many records must be what we infer of each."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.formats import json as json_format
from sluice.formats import json_infer, json_quick
from sluice.formats.json import JsonFormat, record_lines
from sluice.formats.json_infer import (
    Rules,
    decode_records,
    infer_schema,
    schema_of,
    type_of_block,
    types_of_lines,
)

TYPED = Rules(typed=True)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats()
    | st.text(max_size=2)
    | st.sampled_from(["2026-01-02", "2026-01-02 03:04:05", "", "NaN"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from("xyX"), inner, max_size=2)
    ),
    max_leaves=4,
)
RECORDS = st.dictionaries(st.sampled_from("abA"), VALUES, max_size=3).map(json.dumps)
ODD = [
    '{"a": 1E400}',
    '{"a": -Infinity}',
    '{"a": "\\ud800"}',
    '{"a": 1, "a": "x"}',
    '{"a": 1} {"b": 2}',
    '{"a": 1,}',
    '{"a": 01}',
    '{"a": 1e2}',
    '{"a": [{}, {"x": {}}]}',
    '{"a": "x',
    '{"a": ' + "[" * 600 + "]" * 600 + "}",
    '[{"a": 1}, {"b": 2}]',
    ' {"a": 1}\r',
    "null",
    "",
]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(RECORDS | st.sampled_from(ODD), max_size=6),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_quick_types_are_those_of_each_record(
    lines: list[str],
    typed: bool,
    strings: bool,
    drops: bool,
) -> None:
    """Whatever the values are, and whatever is no record."""
    rules = Rules(typed=typed, primitives_as_string=strings, drops_nulls=drops)
    block = "\n".join(lines).encode("utf-8", "surrogatepass")
    found = type_of_block(block, rules)
    if found is not None:
        records = decode_records(record_lines(block), rules)
        assert schema_of([found], rules) == infer_schema(records, rules)


@pytest.mark.parametrize(
    ("block", "is_quick"),
    [
        (b'{"a": 1}\n{"a": 2.5}\n', True),
        (b'{"a": "2026-01-02"}', True),
        (b'{"a": 9223372036854775808}', False),
        (b'{"a": [{"x": 9223372036854775808}]}', False),
        (b'{"a": NaN}', False),
        (b'{"a": 1}\n\n{"a": 2}', False),
        (b'{"a": 1}{"a": 2}', False),
        (b'{"a": 1}\n\n', False),
        (b'{"a": 1}\n', True),
        (b'{"a": 1}\nnull\n{"a": 2}', False),
        (b'{"a": "\xff"}', False),
        (b"", False),
    ],
)
def test_what_pyarrow_reads_otherwise_is_left_to_us(
    block: bytes, *, is_quick: bool
) -> None:
    """Its floats are not always floats, and some lines crash it."""
    assert (type_of_block(block, TYPED) is not None) is is_quick


def test_texts_are_left_to_us() -> None:
    """Pyarrow keeps no text of a number."""
    assert type_of_block(b'{"a": 1}', Rules(typed=True, prefers_decimal=True)) is None


def test_names_are_those_of_careful_reading() -> None:
    """Whatever the values are: pyarrow reads the first block, and not the second."""
    rules = Rules(typed=False)
    for block in (
        b'{"b": 1, "a": null}\n{"\\u0063": {"x": []}, "B": "2026-01-01"}',
        b'{"b": 1}\n{"b": "x", "a": []}\n{"c": NaN}\nnull\n{"B": {"x": 1}}',
    ):
        lines = block.splitlines()
        careful = infer_schema(decode_records(lines, rules), rules)
        kind = type_of_block(block, rules)
        kinds = types_of_lines(lines, rules) if kind is None else [kind]
        assert (kind is None) is (b"NaN" in block)
        assert schema_of(kinds, rules) == careful


def test_value_nested_too_deep_does_not_reach_pyarrow() -> None:
    """It would end the process, which is the driver's."""
    deep = b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"

    assert json_quick.types_of_fields(b'{"b": 1}\n' + deep) is None


def test_odd_record_is_found_by_halving(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are read quickly, and none is left out."""
    monkeypatch.setattr(json_infer, "_CAREFUL_RECORDS", 2)
    lines = [b'{"a": %d}' % number for number in range(100)]
    lines[37] = b'{"a": 1, "b": "x"'
    lines[61] = b'{"a": 9223372036854775808}'
    careful: list[bytes] = []

    def decode(lines: list[bytes], rules: Rules) -> object:
        careful.extend(lines)
        return decode_records(lines, rules)

    monkeypatch.setattr(json_infer, "decode_records", decode)
    found = schema_of(types_of_lines(lines, TYPED), TYPED)

    assert found == pa.schema([("a", pa.decimal128(20, 0))])
    assert len(careful) <= 6
    assert {lines[37], lines[61]} <= set(careful)


def test_sample_is_cut_where_its_bytes_end(tmp_path: Path) -> None:
    """A record that was not read to its end says nothing, and the others do."""
    path = tmp_path / "a.json"
    path.write_bytes(b'{"a": 1}\n{"b": 2.5}\n{"c": true}\n')

    found = JsonFormat().infer([str(path)], max_bytes=25, typed=True)

    assert found == pa.schema([("a", pa.int64()), ("b", pa.float64())])


def test_cut_record_costs_its_neighbours_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is passed over, and the block before it is read once."""
    line = b'{"a": 1}\n'
    path = tmp_path / "a.json"
    path.write_bytes(line * 1000)
    careful: list[bytes] = []

    def decode(lines: list[bytes], rules: Rules) -> object:
        careful.extend(lines)
        return decode_records(lines, rules)

    monkeypatch.setattr(json_infer, "decode_records", decode)
    found = JsonFormat().infer([str(path)], max_bytes=len(line) * 999 + 4, typed=True)

    assert found == pa.schema([("a", pa.int64())])
    assert careful == []


def test_small_files_are_looked_at_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may end without a line feed, and begin with a byte-order mark."""
    contents = [b'{"a": 1}', b'{"a": 2}\n{"a": 3}', b'{"b": 1.5}\n']
    marked = [*contents, b'\xef\xbb\xbf{"c": true}']
    seen: list[bytes] = []

    def look(block: bytes, rules: Rules) -> pa.StructType | None:
        seen.append(block)
        return type_of_block(block, rules)

    monkeypatch.setattr(json_format, "type_of_block", look)
    found = _inferred(tmp_path / "plain", contents)
    assert found == pa.schema([("a", pa.int64()), ("b", pa.float64())])
    assert seen == [b'{"a": 1}\n{"a": 2}\n{"a": 3}\n{"b": 1.5}\n']
    found = _inferred(tmp_path / "marked", marked)
    assert found.names == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("content", "size", "names"),
    [
        pytest.param(b'{"a": 1}\r{"b": 1}\r{"c": 1}\r', 20, ["a", "b"], id="by \\r"),
        pytest.param(b'{"a": 1}\n{"b": 1}', 17, ["a", "b"], id="as long as the file"),
        pytest.param(b'{"a": 1}\n{"b": 1}\n', 17, ["a", "b"], id="before a line end"),
        pytest.param(b'{"a": 1}\n{"b": {}, "c": 1}', 16, ["a"], id="in a record"),
        pytest.param(b'{"a": 1}\n{"b": {}, "c": 1}', 17, ["a"], id="in an object"),
    ],
)
def test_all_whole_records_of_a_head_count(
    tmp_path: Path, content: bytes, size: int, names: list[str]
) -> None:
    """Whatever ends the lines, and wherever the head of a file ends."""
    path = tmp_path / "a.json"
    path.write_bytes(content)
    found = JsonFormat().infer([str(path)], max_bytes=size, typed=True)
    assert found.names == names


def test_files_are_apart_where_only_a_line_feed_ends_lines(tmp_path: Path) -> None:
    """A carriage return at the end of a file is space there."""
    found = _inferred(tmp_path / "x", [b'{"a": 1}\r', b'{"b": 2}'], line_sep=b"\n")
    assert found.names == ["a", "b"]


def _inferred(
    folder: Path, contents: list[bytes], line_sep: bytes | None = None
) -> pa.Schema:
    folder.mkdir()
    for number, content in enumerate(contents):
        (folder / f"{number}.json").write_bytes(content)
    paths = sorted(map(str, folder.iterdir()))
    source_format = JsonFormat(line_sep=line_sep)
    return source_format.infer(paths, max_bytes=1 << 20, typed=True)
