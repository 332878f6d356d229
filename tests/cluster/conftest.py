"""One cluster for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.local.cluster import Cluster
from support.standalone import running_cluster


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the cluster, where each worker has one of its own."""
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[Cluster]:
    """Return a cluster of a master and two workers."""
    with running_cluster(home) as started:
        yield started
