from __future__ import annotations

import pytest

from sluice.formats.streams import codec_of


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
def test_codec_is_told_by_the_ending(path: str, codec: str | None) -> None:
    """The ending of the name alone decides, as with Spark."""
    assert codec_of(path) == codec
