"""What most of a file rescued says of its options."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from sluice.formats.base import Format, rescued_json
from sluice.formats.csv import CsvFormat
from sluice.formats.json import JsonFormat
from sluice.rules.content_checks import likely_option
from sluice.rules.facts import MostlyRescued
from support.parsing import records_of

COLUMNS = pa.schema([("id", pa.int64()), ("name", pa.string())])
ORDERS = [{"id": 1, "name": "ä"}, {"id": 2, "name": "b"}]
PRETTY = json.dumps(ORDERS, indent=2, ensure_ascii=False)


def file_of(given: Format, content: bytes) -> MostlyRescued:
    """Return what the table has of a file."""
    records = [rescued_json(each, "f") for each in records_of(given, content, COLUMNS)]
    texts = tuple(text for text in records if text)
    return MostlyRescued("f", given.name, len(records), len(texts), texts[:5])


@pytest.mark.parametrize(
    ("given", "content", "option"),
    [
        (JsonFormat(), PRETTY.encode(), "'multiLine'"),
        (JsonFormat(), json.dumps(ORDERS[0], indent=1).encode(), "'multiLine'"),
        (JsonFormat(), b"id;name\n1;a\n2;b\n", "cloudFiles.format"),
        (JsonFormat(), PRETTY.encode("utf-16-le"), "'encoding'"),
        (CsvFormat(header=True), b"id;name\n1;a\n2;b\n", "'sep' is ';'"),
        (CsvFormat(header=True), b"id\tname\n1\ta\n", r"'sep' is '\t'"),
        (CsvFormat(header=True), b"1,a\n2,b\n3,c\n", "'header'"),
        (CsvFormat(header=True), "id\xe4,n\xe4\n1,a\n".encode("latin-1"), "'encoding'"),
    ],
)
def test_option_that_a_file_lacks_is_named(
    given: Format, content: bytes, option: str
) -> None:
    """People look for lost rows, not for a word in the documentation."""
    assert option in str(likely_option(file_of(given, content)))


@pytest.mark.parametrize(
    ("given", "content"),
    [
        (JsonFormat(), b'{"id": 1, "new": 2}\n{"id": "x"}\n'),
        (CsvFormat(header=True), b"id,name,new\n1,a,2\n"),
        (CsvFormat(header=True), b"id,name\nx,a\ny,b\n"),
    ],
)
def test_new_fields_and_odd_values_are_no_wrong_option(
    given: Format, content: bytes
) -> None:
    """They are rescued because the schema says so."""
    assert likely_option(file_of(given, content)) is None


@pytest.mark.parametrize("text", ["no JSON", "[1]", "{}"])
def test_text_of_another_writer_is_no_cause(text: str) -> None:
    """Someone may have filled the column by hand."""
    for name in ("json", "csv"):
        assert likely_option(MostlyRescued("f", name, 1, 1, (text,))) is None
