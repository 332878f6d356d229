"""Good files of every format, and what damage makes of their bytes."""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from sluice.formats.base import Format
from sluice.formats.binary_file import BinaryFileFormat
from sluice.formats.csv import CsvFormat
from sluice.formats.json import JsonFormat
from sluice.formats.json_variants import VARIANT
from sluice.formats.parquet import ParquetFormat, RebaseMode
from sluice.formats.text import TextFormat

_MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)
_RESCUED = pa.field("_rescued_data", pa.string())
_NESTED = pa.struct([("a", pa.int32()), ("b", pa.list_(pa.float64()))])
_FLAT = [
    ("id", pa.int64()),
    ("small", pa.int8()),
    ("d", pa.float64()),
    ("f", pa.float32()),
    ("m", pa.decimal128(9, 2)),
    ("ok", pa.bool_()),
    ("day", pa.date32()),
    ("at", pa.timestamp("us", "UTC")),
    ("local", pa.timestamp("us")),
    ("name", pa.string()),
    ("raw", pa.binary()),
]
_JSON_ROWS = [
    b'{"id":1,"small":2,"d":1.5e3,"f":2.5,"m":"1.10","ok":true,"day":"2026-01-31",'
    b'"at":"2026-01-31T12:00:00.5+01:00","local":"2026-01-31 12:00","name":"a\\u00e4",'
    b'"raw":"AAEC","s":{"a":1,"b":[1,2.5,null]},"l":[{"a":1}],"k":{"x":1,"y":[]}}',
    '{"id":-9223372036854775808,"d":NaN,"m":1,"name":"ä日本","new":{"x":[1,{}]}}'.encode(),
    b'{\'id\':1e400,"at":1700000000,"name":null,"s":[],"k":{"x":1,"x":2}}',
    b'[{"id":3},{"id":"4","name":"\\ud83d\\ude00"}]',
    b"nope",
    b"",
]
_CSV_ROWS = [
    b"id,small,d,f,m,ok,day,at,local,name,raw,extra",
    b"1,2,1.5e3,2.5,1.10,true,2026-01-31,2026-01-31T12:00:00.5+01:00,2026-01-31,a,b,c",
    '-9,300,NaN,Inf,"1,000.5",no,31.1.2026,,,"ä ""日本""\\"",,'.encode(),
    b'2,,,,,,,,,"two\nlines",x',
    b"# comment",
    b"3,4,5",
    b'"4" , 5,6,,,,,, ,open "quote',
]


def _table() -> pa.Table:
    return pa.table(
        {
            "id": pa.array([1, 2, None, 4] * 8, pa.int64()),
            "small": pa.array([1, 300, None, -1] * 8, pa.int32()),
            "d": pa.array([1.5, float("nan"), None, 0.0] * 8),
            "m": pa.array([Decimal("1.10"), None, Decimal("-9.99"), None] * 8),
            "ok": pa.array([True, False, None, True] * 8),
            "day": pa.array([date(2026, 1, 31), date(1600, 1, 1), None, None] * 8),
            "at": pa.array(
                [_MOMENT, None, _MOMENT, None] * 8, pa.timestamp("ns", "UTC")
            ),
            "name": pa.array(["a", "ä日本", None, "x" * 50] * 8).dictionary_encode(),
            "raw": pa.array([b"\0\xff", None, b"", b"1"] * 8),
            "s": pa.array(
                [{"a": 1, "b": [1.5, None]}, None, {"a": None, "b": []}, None] * 8,
                pa.struct(
                    [("a", pa.int32()), ("b", pa.list_(pa.float64())), ("n", pa.int8())]
                ),
            ),
            "k": pa.array(
                [[("x", 1)], [], None, [("y", None)]] * 8,
                pa.map_(pa.string(), pa.int32()),
            ),
            "new": pa.array([[{"z": 1}], None, [], [None]] * 8),
        }
    )


def _parquet(**layout: object) -> bytes:
    stream = io.BytesIO()
    pq.write_table(_table(), stream, **layout)
    return stream.getvalue()


@dataclass(frozen=True)
class Case:
    """A format with its options, files that are good, and what is asked for of them."""

    format: Format
    good: Sequence[bytes]
    output: pa.Schema
    plan: dict[str, object] = field(default_factory=dict)


_JSON_COLUMNS = [
    *_FLAT,
    ("s", _NESTED),
    ("l", pa.list_(pa.struct([("a", pa.int64())]))),
    ("k", pa.map_(pa.string(), pa.int64())),
    ("v", VARIANT),
    _RESCUED,
    ("_corrupt_record", pa.string()),
]
_CSV_COLUMNS = pa.schema([*_FLAT, _RESCUED, ("_corrupt_record", pa.string())])
_PARQUET_COLUMNS = pa.schema(
    [
        ("id", pa.int64()),
        ("small", pa.int8()),
        ("d", pa.float64()),
        ("m", pa.decimal128(9, 4)),
        ("ok", pa.bool_()),
        ("day", pa.date32()),
        ("at", pa.timestamp("us", "UTC")),
        ("name", pa.string()),
        ("raw", pa.binary()),
        ("s", _NESTED),
        ("k", pa.map_(pa.string(), pa.int64())),
        _RESCUED,
    ]
)
_TEXT_COLUMNS = pa.schema([("value", pa.string()), _RESCUED])


def _lines(rows: Sequence[bytes], end: bytes = b"\n") -> bytes:
    return end.join(rows) + end


def _packed(content: bytes) -> list[bytes]:
    return [
        content,
        gzip.compress(content),
        gzip.compress(content) * 2,
        bz2.compress(content),
        *(pa.compress(content, codec, asbytes=True) for codec in ("zstd", "brotli")),
        b"\xef\xbb\xbf" + content,
        b"\xff\xfe" + content.decode("utf-8", "replace").encode("utf-16-le"),
    ]


_JSON, _CSV = _lines(_JSON_ROWS), _lines(_CSV_ROWS)
_DOCUMENT = b"[%b]" % b",\n".join(_JSON_ROWS[:3])
_LENIENT = JsonFormat(
    unquoted_names=True,
    comments=True,
    control_chars=True,
    leading_zeros=True,
    any_escape=True,
)
_SIMPLE = pa.schema([*_FLAT, _RESCUED])
CASES: dict[str, Case] = {
    "json": Case(JsonFormat(), _packed(_JSON), pa.schema(_JSON_COLUMNS)),
    "json flat": Case(JsonFormat(), _packed(_lines(_JSON_ROWS[:1] * 3)), _SIMPLE),
    "json lenient": Case(
        _LENIENT,
        [b"// c\n{id:007,/* c */'name':'\\x',d:+INF}\n" + _JSON],
        pa.schema(_JSON_COLUMNS),
    ),
    "json document": Case(
        JsonFormat(multi_line=True), _packed(_DOCUMENT), pa.schema(_JSON_COLUMNS)
    ),
    "json variant": Case(
        JsonFormat(variant_column="v"),
        [_JSON],
        pa.schema([("v", VARIANT), ("_corrupt_record", pa.string())]),
    ),
    "csv": Case(CsvFormat(header=True), _packed(_CSV), _CSV_COLUMNS),
    "csv document": Case(
        CsvFormat(header=True, multi_line=True, comment="#"),
        _packed(_CSV),
        _CSV_COLUMNS,
    ),
    "csv trimmed": Case(
        CsvFormat(trims_start=True, trims_end=True, skip_rows=1, escape='"'),
        [_CSV],
        _CSV_COLUMNS,
    ),
    "csv separated": Case(
        CsvFormat(separator=", ", quote="'", date_format="d.M.yyyy"),
        [_CSV],
        _CSV_COLUMNS,
    ),
    "text": Case(TextFormat(), _packed(_CSV), _TEXT_COLUMNS),
    "text separated": Case(TextFormat(line_sep=b",,"), _packed(_CSV), _TEXT_COLUMNS),
    "text file": Case(TextFormat(whole_text=True), _packed(_CSV), _TEXT_COLUMNS),
    "binaryFile": Case(
        BinaryFileFormat(), _packed(_CSV), pa.schema([("content", pa.binary())])
    ),
    "parquet": Case(
        ParquetFormat(),
        [
            _parquet(),
            _parquet(compression="none", use_dictionary=False, row_group_size=8),
            _parquet(compression="zstd", data_page_version="2.0", data_page_size=64),
            _parquet(compression="gzip", use_deprecated_int96_timestamps=True),
            _parquet(compression="brotli", write_page_checksum=True),
        ],
        _PARQUET_COLUMNS,
    ),
    "parquet old": Case(
        ParquetFormat(
            datetime_rebase=RebaseMode.LEGACY,
            int96_rebase=RebaseMode.LEGACY,
            case_sensitive=False,
        ),
        [_parquet(compression="none", use_deprecated_int96_timestamps=True)],
        _PARQUET_COLUMNS,
    ),
}

_ODD: list[bytes | int] = [
    *b"\"'\\{}[],:\n\r\0\xff\x1a\xc3#",
    *(b"\r\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"/*", b"//", b"*/"),
    *(b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"BZh91AY&SY", b"PAR1", b"\x7f" * 4),
    *(b"NaN", b"-NaN", b"Infinity", b"1e999999999", b"-0", b"0x1F", b"null"),
    *(b"9" * 400, b"9" * 5000, b"[" * 600, b'{"a":' * 600, b'"' * 300, b"\\" * 301),
    *(b"0000-00-00", b"99999-12-31T99:99", b"9" * 20 + b"-01-01", b"\\ud800"),
    *(b'{"id":1}\n', b"null\n", b"[]\n", b'{"":1}', b'"_rescued_data":1', b" " * 40),
]


def _piece(odd: bytes | int) -> bytes:
    return bytes([odd]) if isinstance(odd, int) else odd


_Edit = tuple[int, int, bytes]
_EDITS = st.tuples(
    st.integers(0, 1 << 20),
    st.integers(0, 1 << 20),
    st.sampled_from(_ODD).map(_piece) | st.binary(min_size=0, max_size=4),
)


def _changed(content: bytes, edit: _Edit) -> bytes:
    """Return a content of which a short or a long span is replaced."""
    where, length, piece = edit
    start = where % (len(content) + 1)
    # Most damage is small, some of it is not.
    span = length % 5 if length % 7 else length % (len(content) + 1)
    return content[:start] + piece + content[start + span :]


def _repeated(content: bytes, edit: _Edit) -> bytes:
    where, length, _ = edit
    start = where % (len(content) + 1)
    span = content[start : start + length % 200]
    return content[:start] + span * (length % 9) + content[start:]


def _same_size(content: bytes, edit: _Edit) -> bytes:
    where, _, piece = edit
    start = where % (len(content) + 1)
    return content[:start] + piece + content[start + len(piece) :]


_WAYS: Sequence[Callable[[bytes, _Edit], bytes]] = (_changed, _same_size, _repeated)


def mutations(good: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return what damage makes of good files: some bytes changed, more, or fewer."""

    def spoil(
        content: bytes, edits: Sequence[tuple[Callable[[bytes, _Edit], bytes], _Edit]]
    ) -> bytes:
        for change, edit in edits:
            content = change(content, edit)
        return content

    edits = st.lists(st.tuples(st.sampled_from(_WAYS), _EDITS), max_size=6)
    return st.builds(spoil, st.sampled_from(good), edits)
