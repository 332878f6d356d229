"""What landed files are, by their names and beginnings."""

from __future__ import annotations

import pytest

from sluice.draft.dialect import Dialect, Kind, look_at, most_common_kind

HEADS = {
    "lines of JSON": (b'{"id": 1}\n{"id": 2}\n', None, Dialect("json")),
    "an array in a line": (b'[{"id": 1}]\n', "json", Dialect("json")),
    "a JSON document": (
        b'{\n "id": 1\n}\n',
        None,
        Dialect("json", {"multiLine": "true"}),
    ),
    "lines in single quotes": (b"{'a': 1}\n{'a': 2}\n", "json", Dialect("json")),
    "a line that is no number": (b'{"a": NaN}\n{"a": "}"}\n', "json", Dialect("json")),
    "a line that is cut": (b'{"a": "' + b"x" * 90, "json", Dialect("json")),
    "a bracket in a text": (b'{"a": "{"}\n{"a": 1}\n', "json", Dialect("json")),
    "an array over lines": (
        b'[\n{"a": 1}]\n',
        "json",
        Dialect("json", {"multiLine": "true"}),
    ),
    "JSON behind a mark": (b'\xef\xbb\xbf{"id": 1}\n', None, Dialect("json")),
    "csv": (b"id,at\n1,x\n2,y\n", "csv", Dialect("csv", {"header": "true"})),
    "csv without a header": (
        b"1,x\n2,y\n",
        "csv",
        Dialect("csv", {"header": "false"}),
    ),
    "csv with an empty name": (
        b",a\n1,x\n",
        "csv",
        Dialect("csv", {"header": "false"}),
    ),
    "csv with a name twice": (
        b"a,a\n1,x\n",
        "csv",
        Dialect("csv", {"header": "false"}),
    ),
    "semicolons, unnamed": (
        b"id;at\n1;x\n2;y\n",
        None,
        Dialect("csv", {"sep": ";", "header": "true"}),
    ),
    "tabs": (
        b"id\tat\n1\tx\n2\ty\n",
        "csv",
        Dialect("csv", {"sep": r"\t", "header": "true"}),
    ),
    "one column": (b"id\n1\n2\n", "csv", Dialect("csv", {"header": "true"})),
    "Parquet, unnamed": (b"PAR1\x15\x04", None, Dialect("parquet")),
    "an image": (b"\x89PNG\r\n\x1a\n\0\0\0", None, Dialect("binaryFile")),
    "words": (b"one word\nand more of them\n", None, Dialect("text")),
}


@pytest.mark.parametrize(("head", "named", "expected"), HEADS.values(), ids=HEADS)
def test_beginning_says_the_dialect(
    head: bytes, named: str | None, expected: Dialect
) -> None:
    """A name says the format; how its records look says the rest."""
    assert look_at(head, named) == expected


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["/in/a.json"], Kind("json", None, "/in/a.json")),
        (["/in/a.b.CSV.gz"], Kind("csv", None, "/in/a.b.CSV.gz")),
        (["/in/a", "/in/b"], Kind(None, None, "/in/a")),
        (
            ["/in/README.md", "/in/1.jsonl", "/in/2.json.gz"],
            Kind("json", "*.{json.gz,jsonl}", "/in/1.jsonl"),
        ),
        (
            ["/in/x.log", "/in/1.tsv", "/in/2.tsv"],
            Kind("csv", "*.tsv", "/in/1.tsv"),
        ),
    ],
)
def test_most_files_say_the_format(paths: list[str], expected: Kind) -> None:
    """Where others lie beside them, a pattern leaves those out."""
    assert most_common_kind(paths) == expected
