"""Odd records, each in its format, and what is read of them: one row a kind.

Columns are ``id bigint, name string, d double``.
"""

from __future__ import annotations

import json
from math import nan

from sluice.columns import CORRUPT_RECORD
from support.bad_files import parquet

_DEEP = b"[" * 500 + b"]" * 500
_LONG = "x" * (2 << 20)
_WIDE = range(2000)
# An id, a name, a number and what is rescued; what is not said is null.
Record = tuple[object, ...]


def rescued(fields: dict[str, object]) -> Record:
    """Return a record of which only what was rescued is known."""
    return (None, None, None, fields)


def corrupt(text: str) -> Record:
    """Return a record that is none."""
    return rescued({CORRUPT_RECORD: text})


RECORDS: list[tuple[str, str, bytes, list[Record]]] = [
    ("lines of space", "json", b' \t\n{"id":1}\n \n', [(1,)]),
    ("lines of space", "csv", b" \nid\n1\n\t\n", [(1,)]),
    (
        "invalid UTF-8",
        "json",
        b'{"id":1,"name":"a\xff"}',
        [(1, None, None, {"name": '"a\\xff"'})],
    ),
    (
        "invalid UTF-8",
        "json document",
        b'[{"id":1,"name":"a\xff"},{"id":2}]',
        [(1, None, None, {"name": '"a\\xff"'}), (2,)],
    ),
    (
        "invalid UTF-8",
        "csv",
        b"id,name\n1,a\xff\n2,b\n",
        [(1, None, None, {"name": "a\\xff"}), (2, "b")],
    ),
    (
        "invalid UTF-8 in a header",
        "csv",
        b"id,n\xff\n1,a\n",
        [(1, None, None, {"n\\xff": "a"})],
    ),
    (
        "half a surrogate",
        "json",
        b'{"id":1,"name":"\\ud83d"}',
        [(1, None, None, {"name": '"\\ud83d"'})],
    ),
    (
        "a long line",
        "json",
        b'{"id":1,"name":"%b"}\n{"id":2}' % _LONG.encode(),
        [(1, _LONG), (2,)],
    ),
    (
        "a long line",
        "csv",
        f"id,name\n1,{_LONG}\n2,b\n".encode(),
        [(1, _LONG), (2, "b")],
    ),
    (
        "500 levels under a string",
        "json",
        b'{"id":1,"name":%b}' % _DEEP,
        [(1, _DEEP.decode())],
    ),
    (
        "500 levels under a number",
        "json",
        b'{"id":%b}\n{"id":2}' % _DEEP,
        [rescued({"id": json.loads(_DEEP)}), (2,)],
    ),
    (
        "500 levels of no column",
        "json document",
        b'[{"id":1,"new":%b}]' % _DEEP,
        [(1, None, None, {"new": json.loads(_DEEP)})],
    ),
    (
        "levels that never end",
        "json",
        b"[" * 100_000 + b'\n{"id":2}',
        [corrupt("[" * 100_000), (2,)],
    ),
    (
        "levels without number",
        "json",
        b'{"id":%b%b}\n{"id":2}' % (b"[" * 100_000, b"]" * 100_000),
        [corrupt('{"id":' + "[" * 100_000 + "]" * 100_000 + "}"), (2,)],
    ),
    ("a key twice", "json", b'{"id":1,"id":2}', [(2,)]),
    (
        "an integer beyond 64 bits",
        "json",
        b'{"id":12345678901234567890}',
        [rescued({"id": 12345678901234567890})],
    ),
    (
        "an integer beyond 64 bits",
        "csv",
        b"id\n12345678901234567890\n",
        [rescued({"id": "12345678901234567890"})],
    ),
    (
        "5,000 digits",
        "json",
        b'{"id":%b}\n{"id":2}' % (b"9" * 5000),
        [rescued({"id": "9" * 5000}), (2,)],
    ),
    ("1e400", "json", b'{"id":1,"d":1e400}', [(1, None, None, {"d": "1e400"})]),
    ("1e400", "csv", b"id,d\n1,1e400\n", [(1, None, None, {"d": "1e400"})]),
    (
        "NaN",
        "json",
        b'{"id":1,"d":NaN}\n{"id":NaN}',
        [(1, None, nan), rescued({"id": "NaN"})],
    ),
    (
        "NaN",
        "csv",
        b"id,d\n1,NaN\nNaN,1\n",
        [(1, None, nan), (None, None, 1.0, {"id": "NaN"})],
    ),
    ("NaN", "parquet", parquet(id=[1], d=[nan]), [(1, None, nan)]),
    (
        "types mixed in a column",
        "json",
        b'{"id":1}\n{"id":"x"}\n{"id":{"a":1}}\n{"id":[1]}\n{"id":true}\n{"id":1.5}',
        [(1,), *(rescued({"id": v}) for v in ("x", {"a": 1}, [1], True, "1.5"))],
    ),
    (
        "types mixed in a column",
        "json document",
        b'[{"id":"x"},{"id":2}]',
        [rescued({"id": "x"}), (2,)],
    ),
    (
        "types mixed in a column",
        "csv",
        b"id\n1\nx\n1.5\n",
        [(1,), rescued({"id": "x"}), rescued({"id": "1.5"})],
    ),
    ("another type", "parquet", parquet(id=["x", None]), [rescued({"id": "x"}), ()]),
    ("a record cut off", "json", b'{"id":1}\n{"id":', [(1,), corrupt('{"id":')]),
    ("an array cut off", "json document", b'[{"id":1},', [corrupt('[{"id":1},')]),
    ("no JSON", "json", b"id,name\n1,a\n", [corrupt(t) for t in ("id,name", "1,a")]),
    ("bytes of anything", "json", b"\x00\x01\xfe\n", [corrupt("\x00\x01\\xfe")]),
    (
        "rows too long and too short",
        "csv",
        b"id,name\n1\n2,b,c,d\n3,c\n",
        [(1,), (2, "b", None, {"_c2": "c", "_c3": "d"}), (3, "c")],
    ),
    (
        "a line end in quotes",
        "csv document",
        b'id,name\n1,"a\nb"\n2,c\n',
        [(1, "a\nb"), (2, "c")],
    ),
    (
        "a line end in quotes",
        "csv",
        b'id,name\n1,"a\nb"\n',
        [(1, "a"), rescued({"id": 'b"'})],
    ),
    ("a quote that never ends", "csv", b'id,name\n1,"a\n2,b\n', [(1, "a"), (2, "b")]),
    ("a header in another order", "csv", b"name,id\na,1\n", [(1, "a")]),
    ("a header of other columns", "csv", b"x;y\n1;2\n", [rescued({"x;y": "1;2"})]),
    ("a header alone", "csv", b"id,name\n", []),
    (
        "2,000 columns",
        "csv",
        (
            ",".join(f"c{n}" for n in _WIDE)
            + ",id\n"
            + ",".join(map(str, _WIDE))
            + ",7\n"
        ).encode(),
        [(7, None, None, {f"c{n}": str(n) for n in _WIDE})],
    ),
    (
        "2,000 columns",
        "json",
        json.dumps({"id": 7} | {f"c{n}": n for n in _WIDE}).encode(),
        [(7, None, None, {f"c{n}": n for n in _WIDE})],
    ),
    (
        "2,000 columns",
        "parquet",
        parquet(id=[7], **{f"c{n}": [n] for n in _WIDE}),
        [(7, None, None, {f"c{n}": n for n in _WIDE})],
    ),
]
