from __future__ import annotations

import io
import json
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sluice.formats import streams
from sluice.formats.streams import BadFileError, line_blocks, read_content


class Asked(io.BytesIO):
    """A stream that remembers how many bytes it was asked for."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.asked: list[int] = []

    def read(self, size: int = -1, /) -> bytes:
        """Return some of the content."""
        self.asked.append(size)
        return super().read(size)


def small_blocks(
    stream: BinaryIO, start: int, end: int, block_bytes: int, **limit: int
) -> list[bytes]:
    """Return the blocks of a range that are read so many bytes at once."""
    with patch.object(streams, "BLOCK_BYTES", block_bytes):
        return list(line_blocks(stream, start, end, **limit))


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
        for block in small_blocks(stream, start, end, block_bytes)
    ]

    assert b"".join(blocks) == content
    assert all(block.endswith(b"\n") for block in blocks[:-1])


def test_line_beyond_the_limit_is_a_bad_file() -> None:
    """A file without line ends, or one that was compressed a million times smaller."""
    content = b"ab\n" + b"x" * 40 + b"\n"

    assert list(small_blocks(io.BytesIO(content), 0, 44, 4, limit=40))
    with pytest.raises(BadFileError, match=r"a line of it .*sluice\.maxContentBytes"):
        list(small_blocks(io.BytesIO(content), 0, 44, 4, limit=38))
    assert list(small_blocks(io.BytesIO(content), 4, 44, 4, limit=1)) == []


@pytest.mark.parametrize("size", [None, 5])
def test_content_is_whole_up_to_the_limit(size: int | None) -> None:
    """However many reads it takes; a byte more is a bad file."""
    with patch.object(streams, "_PIECE_BYTES", 2):
        assert read_content(io.BytesIO(b"abcde"), 5, size=size) == b"abcde"
        with pytest.raises(BadFileError, match="4 bytes"):
            read_content(io.BytesIO(b"abcde"), 4, size=size)


@pytest.mark.parametrize("size", [None, 3])
def test_small_content_is_not_asked_for_as_if_it_were_large(size: int | None) -> None:
    """A read gets memory for all that it asks for."""
    stream = Asked(b"abc")

    read_content(stream, 512 << 20, size=size)

    assert max(stream.asked) <= 1 << 20


def test_huge_line_is_whole(tmp_path: Path) -> None:
    """A line longer than a block, over several ranges, belongs to where it begins."""
    huge = json.dumps({"s": "x" * 1000}).encode()
    content = b'{"i": 1}\n' + huge + b'\n{"i": 2}'
    path = tmp_path / "a.json"
    path.write_bytes(content)

    with path.open("rb") as stream:
        ranges = [(start, start + 100) for start in range(0, len(content), 100)]
        found = [b"".join(small_blocks(stream, *each, 64)) for each in ranges]

    assert [block for block in found if block] == [
        b'{"i": 1}\n' + huge + b"\n",
        b'{"i": 2}',
    ]
