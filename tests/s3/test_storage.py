"""Objects in a bucket, through the very calls that also serve a disk."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from pyarrow.fs import S3FileSystem

from sluice import storage
from sluice.audit.landing import read_landing
from sluice.discovery.listing import list_landed
from sluice.errors import Condition, FatalError
from sluice.formats.content import open_content
from sluice.ledger.ledger import Ledger
from sluice.options.options import CloudFilesOptions, parse_options
from support.s3_server import KEY, SECRET, S3Server

pytestmark = [pytest.mark.needs_s3, pytest.mark.timeout(900)]

ODD_NAMES = [
    "a b.json",
    "p%20q.json",
    "100%.json",
    "%25.json",
    "x+y#z?.json",
    "a&b=c;d,e@f.json",
    "g[1]{2}*.json",
    "ü 中.json",
    "quote'\".json",
    "back\\slash.json",
    "c:d~e^f`g|h<i>.json",
    "sub folder /é.json",
    "dots...json",
]


def source_of(bucket: str) -> CloudFilesOptions:
    """Return the options of a stream over the bucket's landing folder."""
    return parse_options(
        {
            "path": f"{bucket}/landing",
            "cloudFiles.format": "json",
            "cloudFiles.schemaLocation": f"{bucket}/schemas",
        }
    )


def make_folder(server: S3Server, location: str) -> None:
    """Make the object that stands for a folder, as consoles and Hadoop do."""
    address = server.environment["AWS_ENDPOINT_URL"].removeprefix("http://")
    files = S3FileSystem(
        access_key=KEY, secret_key=SECRET, endpoint_override=address, scheme="http"
    )
    files.create_dir(location.removeprefix("s3://"), recursive=True)


def test_put_if_absent_has_one_winner(bucket: str) -> None:
    """Of all who write a schema version at once one wins, and its content is whole."""
    writers = 16
    together = Barrier(writers)

    def write(number: int) -> bool:
        together.wait()
        return storage.put_if_absent(bucket, "key", b"%d" % number * 1000)

    with ThreadPoolExecutor(writers) as pool:
        won = list(pool.map(write, range(writers)))

    assert won.count(True) == 1
    assert storage.read(bucket, "key") == b"%d" % won.index(True) * 1000


def test_odd_names_are_listed_read_and_kept(bucket: str) -> None:
    """One spelling of a name goes from the listing to the ledger and back."""
    for name in ODD_NAMES:
        storage.put(f"{bucket}/landing", name, name.encode())

    listed = list_landed(source_of(bucket))
    paths = {f"{bucket}/landing/{name}": name.encode() for name in ODD_NAMES}
    assert {file.path for file in listed} == paths.keys()

    ledger = Ledger.open_or_create(f"{bucket}/schemas")
    assert len(ledger.append_new(listed, run_id="1")) == len(ODD_NAMES)
    assert len(ledger.append_new(list_landed(source_of(bucket)), run_id="2")) == 0
    for file in ledger.files():
        assert storage.read_file(file.path) == paths[file.path]
        status = storage.status(file.path)
        assert status is not None
        assert (status.size, status.etag) == (file.size, file.etag)


def test_name_with_a_line_break_is_refused_by_name(
    s3_server: S3Server, bucket: str
) -> None:
    """The S3 library takes no control characters, and no file is passed over."""
    landing = Path(s3_server.data, bucket.removeprefix("s3://"), "landing")
    landing.mkdir()
    (landing / "two\nlines.json").touch()

    with pytest.raises(FatalError, match=r"(?s)two.+lines\.json") as caught:
        list_landed(source_of(bucket))

    assert caught.value.condition is Condition.BAD_FILE


def test_markers_of_folders_are_no_files(s3_server: S3Server, bucket: str) -> None:
    """Listings show them like empty files, and nothing is there to be read."""
    make_folder(s3_server, f"{bucket}/landing/day=1")
    make_folder(s3_server, f"{bucket}/landing/day=2")
    storage.put(f"{bucket}/landing", "day=1/empty.json", b"")

    expected = [f"{bucket}/landing/day=1/empty.json"]
    assert [file.path for file in list_landed(source_of(bucket))] == expected
    audited = read_landing(source_of(bucket))
    assert audited is not None
    assert list(audited) == expected


def test_file_is_read_from_any_place(bucket: str) -> None:
    """Large files are split: a task seeks to its part."""
    content = bytes(range(256)) * (9 << 12)
    storage.put(bucket, "large", content)
    storage.put(bucket, "packed.gz", gzip.compress(content))

    with storage.open_input(f"{bucket}/large") as stream:
        assert stream.seek(8_500_001) == 8_500_001
        assert stream.read(5) == content[8_500_001:8_500_006]
        assert stream.tell() == 8_500_006
        stream.seek(0)
        assert b"".join(iter(lambda: stream.read(1 << 20), b"")) == content
    with open_content(f"{bucket}/packed.gz").stream as stream:
        assert stream.read() == content


def test_audit_counts_records_of_packed_and_plain_files(bucket: str) -> None:
    """The landing folder's own account reads a bucket as it reads a disk."""
    storage.put(f"{bucket}/landing", "plain.json", b"{}\n{}\n{}")
    storage.put(f"{bucket}/landing", "packed.json.gz", gzip.compress(b"{}\n{}\n"))

    landed = read_landing(source_of(bucket))

    assert landed is not None
    counts = {path.rsplit("/", 1)[1]: file.records for path, file in landed.items()}
    assert counts == {"plain.json": 3, "packed.json.gz": 2}


def test_prefix_is_moved_without_the_markers_of_its_folders(
    s3_server: S3Server, bucket: str
) -> None:
    """Spark makes such markers in each checkpoint; there is no object to copy."""
    make_folder(s3_server, f"{bucket}/checkpoint/offsets/")
    storage.put_if_absent(f"{bucket}/checkpoint", "offsets/0", b"first")

    storage.move(f"{bucket}/checkpoint", f"{bucket}/aside")
    storage.move(f"{bucket}/checkpoint", f"{bucket}/aside")

    assert storage.read(f"{bucket}/aside", "offsets/0") == b"first"
    assert storage.read(f"{bucket}/checkpoint", "offsets/0") is None
