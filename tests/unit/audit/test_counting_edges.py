"""What is a record and what is nothing, to the reader and to the audit alike."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from sluice.audit.counting import count_records
from sluice.formats.base import Format
from sluice.formats.csv import CsvFormat
from sluice.formats.json import JsonFormat
from sluice.formats.text import TextFormat
from support.parsing import parse_content

BOM = b"\xef\xbb\xbf"
# A form feed, and other characters that some programs take for a line end or for space.
ODD = [b"\x0c", b"\x1c", b"\0", b"\xc2\x85", b"\xe2\x80\xa8"]
NOTHING = [b"", b" \t\r\n\n", BOM, BOM + BOM, b"[ ]"]
JSON = [
    b'{"a":1}',
    b'[{"a":1},{"a":2}]',
    b'[\n{"a":1},\n{"a":2}\n]',
    b'[{"a":1}',
    b"[1]",
]
CSV = [b"a,x", b'a,x\n"1\n2",3', b'a\n"\n\n"', b'a\n"1', b"# c\na\n#d\n1", b"a\r1\r2"]
CONTENTS = sorted(
    {
        content
        for record in [*JSON, *CSV, *NOTHING]
        for odd in [*ODD, *NOTHING]
        for content in (record + odd, b"%b\n%b\n%b\n" % (odd, record, odd))
    }
)
FORMATS = [
    *(JsonFormat(), JsonFormat(multi_line=True), JsonFormat(comments=True)),
    *(CsvFormat(header=True), CsvFormat(), CsvFormat(comment="#", header=True)),
    *(CsvFormat(multi_line=True), CsvFormat(multi_line=True, header=True)),
    *(TextFormat(), TextFormat(whole_text=True), TextFormat(line_sep=b"\n")),
]


@pytest.mark.parametrize("given", FORMATS, ids=repr)
def test_each_content_is_counted_as_it_is_read(given: Format, tmp_path: Path) -> None:
    """One record more or less is a table that looks doubled, or lossy: a red run."""
    names = ["value"] if given.name == "text" else ["a", "x"]
    columns = pa.schema([(name, pa.string()) for name in names])

    wrong = []
    for number, content in enumerate(CONTENTS):
        # Disks take longer to write a file again than to write another one.
        path = tmp_path / str(number)
        path.write_bytes(content)
        read = sum(block.num_rows for block in parse_content(given, content, columns))
        counted = count_records(str(path), given)
        wrong += [(content, read, counted)] if read != counted else []

    assert wrong == []
