"""Discovery of what landed in a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from sluice import storage
from sluice.discovery import listing as module
from sluice.discovery.listing import list_landed
from sluice.discovery.run import Discovery, discover
from sluice.ledger.ledger import Ledger
from sluice.options.incremental import IncrementalListing, Listing
from sluice.options.options import CloudFilesOptions

pytestmark = [pytest.mark.needs_s3, pytest.mark.timeout(900)]


def land(bucket: str, *keys: str, content: bytes = b"{}") -> None:
    """Write objects below the prefix ``in``."""
    for key in keys:
        storage.put(f"{bucket}/in", key, content)


@pytest.fixture
def options(bucket: str) -> CloudFilesOptions:
    """Return the options of a stream over the prefix ``in`` of a bucket."""
    return CloudFilesOptions(path=f"{bucket}/in", schema_location=f"{bucket}/schemas")


def run(options: CloudFilesOptions) -> Discovery:
    """Discover once."""
    ledger = Ledger.open_or_create(options.schema_location)
    return discover(ledger, options, run_id="run")


def names(options: CloudFilesOptions) -> list[str]:
    """Return the keys in the ledger, sorted."""
    found = Ledger.open_or_create(options.schema_location).files()
    return sorted(file.path.partition("/in/")[2] for file in found)


def test_new_objects_are_appended_once(bucket: str, options: CloudFilesOptions) -> None:
    """Hidden keys and other prefixes are no concern of the source."""
    expected = ["a b,c.json", "a.json", "day=1/größe.json", "day=2/_h=1/y.json"]
    hidden = ("_hidden.json", "day=1/.part", "_tmp/z.json", "b.json._COPYING_")
    land(bucket, *expected, *hidden)
    storage.put(bucket, "inside.json", b"{}")

    assert run(options).files == 4
    assert run(options).files == 0
    assert names(options) == expected
    flat = replace(options, recursive=False)
    assert len(list_landed(flat)) == 2


def test_load_path_may_be_a_glob(bucket: str, options: CloudFilesOptions) -> None:
    """Listing begins below the last plain prefix."""
    land(bucket, "x/1.json", "y/2.json", "y/2.txt", "z/3.json")
    chosen = replace(options, path=f"{options.path}/{{x,y}}/*.json")

    assert run(chosen).files == 2
    assert names(chosen) == ["x/1.json", "y/2.json"]


def test_each_version_of_a_key_has_a_seq(
    bucket: str, options: CloudFilesOptions
) -> None:
    """A bucket's times are whole seconds: two writes in one differ in the etag."""
    versions = replace(options, allow_overwrites=True)
    land(bucket, "a.json", content=b"1")
    assert run(versions).files == 1
    land(bucket, "a.json", content=b"2")

    assert run(versions).files == 1
    assert run(versions).files == 0


@pytest.fixture
def keys_listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each key is added that the server names."""
    keys: list[str] = []
    page_of = module._bucket_page

    def counted(prefix, found):
        keys.extend(found["path"].to_pylist())
        return page_of(prefix, found)

    monkeypatch.setattr(module, "_bucket_page", counted)
    return keys


@pytest.fixture(autouse=True)
def _own_connections() -> Iterator[None]:
    """Forget stores that an earlier test's server gave."""
    storage.open_store.cache_clear()
    yield
    storage.open_store.cache_clear()


def test_incremental_listing_asks_for_later_keys_only(
    bucket: str, options: CloudFilesOptions, keys_listed: list[str]
) -> None:
    """So its cost does not grow with what is known."""
    growing = replace(
        options,
        incremental_listing=IncrementalListing.TRUE,
        backfill_interval=timedelta(days=1),
    )
    land(bucket, *(f"day={day}/{hour}.json" for day in range(3) for hour in range(3)))
    assert run(growing).listing is Listing.FULL
    keys_listed.clear()
    land(bucket, "day=2/3.json", "day=3/0.json", "day=0/late.json")

    done = run(growing)

    assert (done.listing, done.files) == (Listing.INCREMENTAL, 2)
    assert sorted(keys_listed) == ["day=2/3.json", "day=3/0.json"]
