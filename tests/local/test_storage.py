"""Writers that race for one key of the storage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from sluice import storage


def test_put_if_absent_has_one_winner(tmp_path: Path) -> None:
    """Of all who write a schema version at once one wins, and its content is whole."""
    writers = 16
    together = Barrier(writers)

    def write(number: int) -> bool:
        together.wait()
        return storage.put_if_absent(str(tmp_path), "key", b"%d" % number * 1000)

    with ThreadPoolExecutor(writers) as pool:
        won = list(pool.map(write, range(writers)))

    assert won.count(True) == 1
    assert storage.read(str(tmp_path), "key") == b"%d" % won.index(True) * 1000
