"""One S3 server for all tests on object storage, and a bucket for each."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from support.s3_build import has_go
from support.s3_server import S3Server, built_server, install_jars, running_server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Return the running server; without Go it can be missing anywhere but in CI."""
    if not has_go():
        reason = "Go is missing, which builds the S3 server: install it to test on S3"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    data = tmp_path_factory.mktemp("buckets")
    with running_server(built_server(), data) as server:
        yield server


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the location of an empty bucket, which this process can reach."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server.make_bucket()


@pytest.fixture(scope="session")
def s3_jars() -> None:
    """Install what Spark needs for S3."""
    install_jars()
