"""Small files as they lie on a disk: as few calls as can be for each of many."""

from __future__ import annotations

from collections.abc import Sequence

from sluice import storage
from sluice.formats.base import Format
from sluice.formats.content import is_packed
from sluice.ledger.verify import what_changed
from sluice.model import LedgerFile
from sluice.paths import is_local


def plain_content(
    file: LedgerFile, source_format: Format, within: Sequence[str]
) -> bytes | None:
    """Return what a file holds, None where it must be looked at more closely.

    So it must in a bucket, where it is packed, and where it is not the file that was
    discovered. It must lie in one of the folders ``within``, links resolved, or below.

    Raises:
        OSError: it cannot be read.
    """
    if not (source_format.compressible and is_local(file.location)):
        return None
    most = file.size + 1  # a byte more would be of a file that grew
    content, found = storage.read_start(file.location, most, within=within)
    if len(content) != file.size or what_changed(file, found):
        return None
    is_utf8 = source_format.is_utf8
    return None if is_packed(content, file.location, is_utf8=is_utf8) else content
