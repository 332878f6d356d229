from __future__ import annotations

import io
import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluice.formats.streams import codec_of, line_blocks


@pytest.mark.parametrize(
    ("path", "codec"),
    [
        ("/a/x.json.gz", "gzip"),
        ("/a/x.GZ", "gzip"),
        ("/a/x.bz2", "bz2"),
        ("/a/x.zst", "zstd"),
        ("/a/x.json", None),
        ("/a.gz/x", None),
        ("/a/gz", None),
    ],
)
def test_codec_follows_from_the_ending(path: str, codec: str | None) -> None:
    """The ending of the name alone decides, as with Spark."""
    assert codec_of(path) == codec


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
