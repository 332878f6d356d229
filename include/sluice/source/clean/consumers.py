"""Who reads a landing folder: every ledger registers itself in the folder it reads.

``<landing folder>/_sluice/consumers/<ledger id>.json``. The folder is the one place
that pipelines of different lakes and schema locations share; names that begin with
``_`` are passed over by every discovery. A file may be read from any folder above it,
so its consumers are found in all of these.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from obstore.exceptions import BaseError

from sluice import storage
from sluice.errors import Condition, FatalError
from sluice.paths import is_local, join
from sluice.source.clean.options import CleanMode
from sluice.source.discover import is_hidden, selection_of
from sluice.source.globs import name_filter, select_folder, select_glob
from sluice.source.ledger import Ledger
from sluice.source.listing import is_below

if TYPE_CHECKING:
    from sluice.source.options import CloudFilesOptions

FOLDER = "_sluice/consumers"
_LOG = logging.getLogger(__name__)


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """One reader of a landing folder, as it registers itself in ``root``.

    ``is_glob`` tells whether ``path`` is read as a pattern. ``pipeline``, ``table`` and
    ``ops`` (the folder of its operational tables) are known of a pipeline; of a stream
    that somebody starts by hand only the ledger is.
    """

    ledger: str
    schema_location: str
    root: str
    path: str
    is_glob: bool = False
    strict_globber: bool = False
    recursive: bool = True
    path_glob_filter: str | None = None
    pipeline: str | None = None
    table: str | None = None
    ops: str | None = None

    @property
    def location(self) -> str:
        """Where its registration is kept."""
        return join(self.root, FOLDER, f"{self.ledger}.json")

    @property
    def name(self) -> str:
        """What a message calls it."""
        return self.pipeline or f"the stream of {self.schema_location!r}"

    def takes(self, path: str) -> bool:
        """Tell whether it reads the file ``path``, spelled as it does."""
        if is_hidden(path.removeprefix(self.root).lstrip("/")):
            return False
        pattern = self.path_glob_filter
        if pattern and not name_filter(pattern)(path.rpartition("/")[2]):
            return False
        if self.is_glob:
            selection = select_glob(
                self.path, recursive=self.recursive, strict=self.strict_globber
            )
            return selection.takes(path)
        selection = select_folder(self.path, recursive=self.recursive)
        return is_below(path, self.path) and selection.takes(path)


@dataclass(frozen=True)
class Owner:
    """What is known of a consumer beyond its options: the pipeline that runs it."""

    pipeline: str
    table: str
    ops: str


@dataclass(frozen=True)
class Reader:
    """A consumer with the ledger that it keeps now."""

    consumer: Consumer
    ledger: Ledger


def describe_consumers(
    options: CloudFilesOptions, ledger: Ledger, owner: Owner | None = None
) -> list[Consumer]:
    """Return how a stream registers: once in each folder that its path begins with."""
    selection = selection_of(options)
    return [
        Consumer(
            ledger=ledger.ledger_id,
            schema_location=options.schema_location,
            root=_folder(root),
            path=options.path,
            is_glob=selection.roots != (options.path,),
            strict_globber=options.strict_globber,
            recursive=options.recursive,
            path_glob_filter=options.path_glob_filter,
            pipeline=owner.pipeline if owner else None,
            table=owner.table if owner else None,
            ops=owner.ops if owner else None,
        )
        for root in selection.roots
    ]


def register(consumer: Consumer, mode: CleanMode) -> None:
    """Enter ``consumer`` into its folder before it lists it; again changes nothing.

    A stream does not overwrite what a pipeline told of the same ledger. A folder that
    is not there yet is left so, and one that cannot be written to is told.

    Raises:
        FatalError: the folder cannot be written to and is to be cleaned.
    """
    root = consumer.root
    if is_local(root) and not Path(root).is_dir():
        return
    try:
        _write(consumer)
    except (OSError, BaseError) as error:
        if mode is not CleanMode.OFF:
            raise _not_writable(root, error) from error
        _LOG.warning(
            "landing folder %r cannot be written to, so pipelines that clean it do not "
            "see that %s reads it: %s",
            root,
            consumer.name,
            error,
        )


def registrations(root: str) -> list[Consumer]:
    """Return everybody who is registered in the folder ``root``.

    Raises:
        FatalError: a registration is damaged.
    """
    return list(_read(_folder(root)))


def unregister(consumer: Consumer) -> None:
    """Take ``consumer`` out of its folder, which need not name it."""
    if is_registered(consumer):
        folder = join(consumer.root, FOLDER)
        storage.delete(folder, f"{consumer.ledger}.json")


def is_registered(consumer: Consumer) -> bool:
    """Tell whether the folder of ``consumer`` names its ledger."""
    keys = storage.list_keys(join(consumer.root, FOLDER))
    return f"{consumer.ledger}.json" in keys


def read_consumer(consumer: Consumer) -> Consumer | None:
    """Return what the folder of ``consumer`` says of its ledger, None where nothing.

    Raises:
        FatalError: what it says is damaged.
    """
    folder, key = join(consumer.root, FOLDER), f"{consumer.ledger}.json"
    content = storage.read(folder, key) if is_registered(consumer) else None
    return _decode(folder, key, content) if content else None


class Registry:
    """The consumers of files; each folder is looked at once."""

    def __init__(self) -> None:
        self._above: dict[str, list[tuple[Reader, str]]] = {}
        self._in: dict[str, list[Reader]] = {}

    def readers(self, path: str) -> dict[Reader, str]:
        """Return everybody who reads the file ``path``, with what each calls it.

        Raises:
            FatalError: a consumer is registered whose ledger cannot be found.
        """
        folder, _, name = path.rpartition("/")
        if folder not in self._above:
            self._above[folder] = list(self._find_above(folder))
        called = {reader: f"{theirs}/{name}" for reader, theirs in self._above[folder]}
        return {
            reader: theirs
            for reader, theirs in called.items()
            if reader.consumer.takes(theirs)
        }

    def consumers(self) -> list[Consumer]:
        """Return everybody who is registered where it has looked so far."""
        return [each.consumer for found in self._in.values() for each in found]

    def _find_above(self, folder: str) -> Iterator[tuple[Reader, str]]:
        """Yield the consumers in ``folder`` and above, with what each calls it.

        A folder below a link has other folders above it than its name says.
        """
        spellings = [folder, os.path.realpath(folder)] if is_local(folder) else [folder]
        for spelled in dict.fromkeys(spellings):
            for root in _with_parents(spelled):
                for reader in self._registered(root):
                    yield reader, reader.consumer.root + spelled.removeprefix(root)

    def _registered(self, root: str) -> list[Reader]:
        if root not in self._in:
            self._in[root] = list(_resolve(root, list(_read(root))))
        return self._in[root]


def _write(consumer: Consumer) -> None:
    known = read_consumer(consumer)
    told_more = known is not None and known.pipeline and not consumer.pipeline
    if known != consumer and not told_more:
        folder, key = join(consumer.root, FOLDER), f"{consumer.ledger}.json"
        storage.put(folder, key, msgspec.json.encode(consumer))


def _read(folder: str) -> Iterator[Consumer]:
    location = join(folder, FOLDER)
    for key in storage.list_keys(location):
        content = storage.read(location, key)
        if content is not None:
            yield _decode(location, key, content)


def _decode(location: str, key: str, content: bytes) -> Consumer:
    try:
        return msgspec.json.decode(content, type=Consumer)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise blocked(
            f"registration {join(location, key)!r} is damaged: {error}"
        ) from (error)


def _resolve(folder: str, registered: Sequence[Consumer]) -> Iterator[Reader]:
    """Open the ledger of each, past those that a newer one of their place replaced."""
    current = {each.ledger for each in registered}
    for each in registered:
        ledger = _ledger_of(each)
        if ledger is not None and ledger.ledger_id == each.ledger:
            yield Reader(each, ledger)
        elif ledger is None or ledger.ledger_id not in current:
            location = join(folder, FOLDER, f"{each.ledger}.json")
            raise blocked(
                f"{each.name} is registered in {folder!r}, and ledger {each.ledger} is "
                f"not under {each.schema_location!r}; if it is gone for good, remove "
                f"{location!r}"
            )


def _ledger_of(consumer: Consumer) -> Ledger | None:
    try:
        return Ledger.open(consumer.schema_location)
    except FatalError as error:
        raise blocked(f"for {consumer.name}, {error.message}") from error


def _folder(root: str) -> str:
    """Return the folder of a load path that names one file."""
    return str(Path(root).parent) if is_local(root) and Path(root).is_file() else root


def _with_parents(folder: str) -> Iterator[str]:
    """Yield a folder and those above it, the nearest first; a bucket is the last."""
    if is_local(folder):
        yield from map(str, [Path(folder), *Path(folder).parents])
        return
    scheme, _, rest = folder.partition("://")
    parts = rest.split("/")
    for count in range(len(parts), 0, -1):
        yield f"{scheme}://{'/'.join(parts[:count])}"


def blocked(reason: str) -> FatalError:
    """Return the error that says why nothing may be cleaned."""
    return FatalError(
        Condition.CLEANING_BLOCKED, f"no landed file is moved or deleted: {reason}"
    )


def _not_writable(root: str, error: Exception) -> FatalError:
    return FatalError(
        Condition.CLEANING_BLOCKED,
        f"landing folder {root!r} is to be cleaned and cannot be written to: {error}; "
        "let this user write there, or set cloudFiles.cleanSource to OFF",
        {"path": root},
    )
