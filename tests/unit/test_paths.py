from __future__ import annotations

import pytest

from sluice.errors import Condition, UsageError
from sluice.paths import is_local, join, normalize, normalize_tables


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/a/b/", "/a/b"),
        ("/a/./b/../c", "/a/c"),
        ("file:/a/b", "/a/b"),
        ("file:///a/b/", "/a/b"),
        ("file://localhost/a/b", "/a/b"),
        ("FILE:/a", "/a"),
        ("file:/a%20b", "/a b"),
        ("file:/a/b#c?d=e", "/a/b#c?d=e"),
        ("/a%20b", "/a%20b"),
        ("/a b[1]{x}*?#", "/a b[1]{x}*?#"),
        ("s3a://bucket/x/", "s3://bucket/x"),
        ("s3n://bucket/x", "s3://bucket/x"),
        ("S3A://Bucket/X", "s3://Bucket/X"),
        ("s3://bucket/a b%20c#d", "s3://bucket/a b%20c#d"),
        ("s3://bucket", "s3://bucket"),
    ],
)
def test_location_has_one_spelling(given: str, expected: str) -> None:
    """Ledger, ``_source_file`` and ``_metadata`` can be joined only in one spelling."""
    assert normalize(given) == expected


def test_normalizing_twice_changes_nothing() -> None:
    """A location that went through twice would else be another place."""
    for location in ("/a%20b", "s3://bucket/a%2520b"):
        assert normalize(normalize(location)) == normalize(location)


def test_relative_path_is_under_working_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    """A relative lake is where the command was called."""
    monkeypatch.chdir(tmp_path)

    assert normalize("lake") == f"{tmp_path}/lake"


def test_uri_without_authority_is_refused() -> None:
    """``dbfs:/mnt/x`` is a place that only Databricks has, not a folder named so."""
    with pytest.raises(UsageError) as caught:
        normalize("dbfs:/mnt/x")

    assert caught.value.condition is Condition.PATH_NOT_FOUND
    assert caught.value.context == {"path": "dbfs:/mnt/x"}


def test_local_is_what_is_no_uri() -> None:
    """Only what is on a disk is opened as a file."""
    assert is_local("/a/b")
    assert not is_local("s3://bucket/a")


def test_join_has_single_slashes() -> None:
    """A doubled slash is another key on object storage."""
    assert join("s3://bucket/a/", "b", "c") == "s3://bucket/a/b/c"


@pytest.mark.parametrize("scheme", ["", "s3:/"])
@pytest.mark.parametrize(
    "odd", ["%20", "%2F", "%aF", "[", "]", "^", "|", "\\", "\n", "\t", "\x7f"]
)
def test_tables_are_where_their_reader_finds_them(odd: str, scheme: str) -> None:
    """delta-rs panics at some, and writes to another folder with others."""
    with pytest.raises(UsageError, match="cannot hold Delta tables") as caught:
        normalize_tables(f"{scheme}/lake/a{odd}b/t")

    assert caught.value.context["found"] == odd


@pytest.mark.parametrize("fine", " #{}+%?*\"'<>`~:=&;,@$!()ä")
def test_other_characters_are_fine_in_a_path_of_tables(fine: str) -> None:
    """Each was tried: tables are written, appended to and read there."""
    assert normalize_tables(f"/lake/a{fine}b/") == f"/lake/a{fine}b"
