"""A file's second name in another folder, or a copy where it can have none."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from stat import S_ISREG
from typing import BinaryIO

# What link(2) fails with where the other side is another file system, or has no links.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}
# What open(2) fails with for a link and for a socket, and Python for a folder.
_NO_FILE = {errno.ELOOP, errno.ENXIO, errno.EISDIR}
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_MAKE = os.O_RDWR | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL
_BLOCK = 1 << 20


def link_or_copy(source: int, held: str, folder: int, name: str) -> bool:
    """Put ``held`` of one folder at ``name`` of another; both are open handles.

    False where that holds other content: nothing is overwritten.

    Raises:
        OSError: it cannot be put there, or the copy is not like it.
    """
    try:
        _link(source, held, folder, name)
    except FileExistsError:
        return _is_same(source, held, folder, name)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return _copy(source, held, folder, name)
    return True


def _link(source: int, held: str, folder: int, name: str) -> None:
    os.link(held, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)


def _copy(source: int, held: str, folder: int, name: str) -> bool:
    """Copy to a hidden name, compare, and only then give it the name."""
    draft = f"{held}.part"
    with suppress(FileNotFoundError):
        os.unlink(draft, dir_fd=folder)
    with _open(source, held, _READ) as read, _open(folder, draft, _MAKE) as written:
        shutil.copyfileobj(read, written, _BLOCK)
        written.flush()
        found = os.fstat(read.fileno())
        os.utime(written.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))
        os.fchmod(written.fileno(), found.st_mode & 0o7777)
        os.fsync(written.fileno())
    try:
        if not _is_same(source, held, folder, draft):
            message = f"the copy of {held!r} to {name!r} is not like it"
            raise OSError(message)
        _link(folder, draft, folder, name)
    except FileExistsError:
        return _is_same(folder, draft, folder, name)
    finally:
        os.unlink(draft, dir_fd=folder)
    return True


def _is_same(folder: int, name: str, other_folder: int, other_name: str) -> bool:
    """Compare content; a link or a folder there is another file."""
    try:
        with (
            _open(folder, name, _READ) as one,
            _open(other_folder, other_name, _READ) as other,
        ):
            return _is_like(one, other)
    except OSError as error:
        if error.errno in _NO_FILE:
            return False
        raise


def _is_like(one: BinaryIO, other: BinaryIO) -> bool:
    if os.path.sameopenfile(one.fileno(), other.fileno()):
        return True
    if not S_ISREG(os.fstat(other.fileno()).st_mode):
        return False
    while block := one.read(_BLOCK):
        if other.read(len(block)) != block:
            return False
    return not other.read(1)


def _open(folder: int, name: str, flags: int) -> BinaryIO:
    number = os.open(name, flags, 0o666, dir_fd=folder)
    try:
        return os.fdopen(number, "r+b" if flags & os.O_RDWR else "rb")
    except OSError:  # of a folder
        os.close(number)
        raise
