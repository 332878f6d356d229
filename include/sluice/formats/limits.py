"""What one file may ask of the process that reads it."""

from __future__ import annotations

import io
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sluice.formats.streams import BadFileError

DEFAULT_MEMORY = 8 << 30
DEFAULT_EXPANSION = 1000
DEFAULT_NAME_LENGTH = 255
# What every file may hold, however small it is packed.
_FREE_BYTES = 64 << 20
_STATM, _DATA = Path("/proc/self/statm"), 5
_MOST = (1 << 63) - 1  # of setrlimit


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Stated bounds, each with an option of its own.

    - ``memory``: in bytes, beyond what the process has before the file is opened;
    - ``expansion``: how many times the size of a compressed file its content may be;
    - ``name_length``: of a field that becomes a column because a file has it.
    """

    memory: int = DEFAULT_MEMORY
    expansion: int = DEFAULT_EXPANSION
    name_length: int = DEFAULT_NAME_LENGTH

    def unpacked_bytes(self, size: int) -> int:
        """Return the most bytes that a compressed file of ``size`` may hold."""
        return max(size * self.expansion, _FREE_BYTES)


@contextmanager
def bounded_memory(limits: Limits) -> Iterator[None]:
    """Let nothing inside take more memory than a file may; ``MemoryError`` is raised.

    Only Linux says how much a process has; elsewhere nothing is bounded.
    """
    if not _STATM.exists():
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    pages = int(_STATM.read_text(encoding="ascii").split()[_DATA])
    wanted = pages * resource.getpagesize() + limits.memory
    # A limit that is there, as by spark.executor.pyspark.memory, stays.
    others = [each for each in before if each != resource.RLIM_INFINITY]
    most = min([wanted, _MOST, *others])
    resource.setrlimit(resource.RLIMIT_DATA, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


class LimitedContent(io.RawIOBase):
    """What a compressed file holds, up to ``most`` bytes."""

    def __init__(self, stream: io.RawIOBase, most: int) -> None:
        self._stream = stream
        self._most = self._left = most

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read on.

        Raises:
            BadFileError: there is more than may be.
        """
        size = self._stream.readinto(buffer) or 0
        self._left -= size
        if self._left < 0:
            raise BadFileError(
                f"it unpacks to more than {self._most} bytes, which is all that option "
                "'sluice.maxExpansion' allows a compressed file of its size"
            )
        return size

    def close(self) -> None:
        """Close what is read."""
        self._stream.close()
        super().close()
