"""One cluster for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sluice.orchestration.cluster import Cluster
from standalone import running_cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a cluster of a master and two workers."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started
