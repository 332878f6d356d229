"""Walk a folder tree on a disk, in this process or with others that read beside it.

Reading the names of ten million files takes as long as comparing them with the ledger.
Threads would not help: Python's lock is taken and given up again for each name.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from sluice.errors import Condition, RetryableError
from sluice.source import folder_reader
from sluice.source.folder_reader import Answer, read_folder

# The kernel reads two folders at once, but takes turns within one.
_READERS = 2
# Given a folder and the names of those in it, returns the paths that are walked, too.
Enter = Callable[[str, Sequence[str]], Iterable[str]]
Walk = Callable[[str, Enter], Iterator[tuple[str, list[str]]]]


def walk_here(root: str, enter: Enter) -> Iterator[tuple[str, list[str]]]:
    """Yield folders with some names of their files, the last that was entered first.

    Raises:
        OSError: a folder cannot be read.
    """
    pending = [root]
    while pending:
        folder = pending.pop()
        nested: list[str] = []
        for names in read_folder(folder, nested):
            yield folder, names
        pending.extend(enter(folder, nested))


def walk_beside(root: str, enter: Enter) -> Iterator[tuple[str, list[str]]]:
    """Yield the same as ``walk_here`` in any order, read by processes of their own.

    They end with the walk, and when this process dies.

    Raises:
        OSError: a folder cannot be read.
        RetryableError: a process that read was killed.
    """
    pending, busy = [root], dict[Connection, str]()
    with ExitStack() as stack:
        idle = [stack.enter_context(_reader()) for _ in range(_READERS)]
        while pending or busy:
            while pending and idle:
                reader, folder = idle.pop(), pending.pop()
                busy[reader] = folder
                _ask(reader, folder)
            for reader in _ready(busy):
                folder = busy[reader]
                answer = _answer(reader, folder)
                if isinstance(answer, bytes):
                    yield folder, os.fsdecode(answer).split("\0")
                else:
                    idle.append(reader)
                    del busy[reader]
                    pending.extend(enter(folder, answer))


def leads_back_to(folder: str) -> str | None:
    """Return the folder that ``folder`` lies in and links to, None where it does not.

    Whoever enters such a link walks for ever.
    """
    if not os.path.islink(folder):  # noqa: PTH114 - asked for each folder
        return None
    above = os.path.realpath(os.path.dirname(folder))  # noqa: PTH120
    target = os.path.realpath(folder)
    leads_back = f"{above}/".startswith(target.rstrip("/") + "/")
    return target if leads_back else None


@contextmanager
def _reader() -> Iterator[Connection]:
    ours, theirs = Pipe()
    number = theirs.fileno()
    # Without the folder of the program and without site-packages: it needs neither. But
    # it has to decode names as we do.
    flags = ["-P", "-S", "-X", f"utf8={sys.flags.utf8_mode}"]
    command = [sys.executable, *flags, folder_reader.__file__, str(number)]
    with (
        ours,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=[number]
        ) as process,
    ):
        theirs.close()
        try:
            yield ours
        finally:
            process.kill()


def _ready(busy: Iterable[Connection]) -> list[Connection]:
    return [each for each in wait(list(busy)) if isinstance(each, Connection)]


def _ask(reader: Connection, folder: str) -> None:
    try:
        reader.send(folder)
    except ConnectionError as error:
        raise _killed(folder) from error


def _answer(reader: Connection, folder: str) -> bytes | list[str]:
    try:
        answer: Answer = reader.recv()
    except (EOFError, ConnectionError) as error:
        raise _killed(folder) from error
    if isinstance(answer, OSError):
        raise answer
    return answer


def _killed(folder: str) -> RetryableError:
    return RetryableError(
        Condition.LISTING_INTERRUPTED,
        f"folder {folder!r} was not listed to its end: the process that read it was "
        "killed, perhaps for want of memory; nothing was recorded, run again",
        {"path": folder},
    )
