"""Gather what storage and every consumer know of the files that may be removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pyarrow as pa
from deltalake.exceptions import DeltaError
from obstore.exceptions import BaseError

from sluice import storage
from sluice.deltalog import open_table
from sluice.errors import SluiceError
from sluice.model import LedgerFile
from sluice.paths import is_local, join
from sluice.source.clean.consumers import Reader, Registry, blocked
from sluice.source.clean.decide import Evidence, Stay, stay_of
from sluice.source.clean.proof import Prover, Verdict
from sluice.source.ledger import Ledger
from sluice.storage import FileStatus
from sluice.tables import any_of, read_table

_REQUESTS = 16
_Verdicts = dict[str, Verdict]


class Witnesses:
    """Asks everybody who reads a file; what holds for all files is asked once."""

    def __init__(self, me: Reader, read_up_to: int | None) -> None:
        """Clean for the stream ``me``, which has read ``read_up_to`` if it says so."""
        self._me = me
        self._provers = {me: Prover(me, read_up_to)}

    def committed_before(self, moment: datetime) -> int:
        """Return the highest seq whose micro-batch was committed by then, or 0."""
        return self._provers[self._me].committed_before(moment)

    def judge(
        self, files: Sequence[LedgerFile], registry: Registry, cutoff: datetime
    ) -> dict[LedgerFile, Stay | None]:
        """Return why each file stays, None where it may go.

        Raises:
            FatalError: a consumer cannot be asked.
        """
        found = look_at(files)
        readers = {file: registry.readers(file.path) for file in files}
        verdicts = self._ask(found, readers)
        return {
            file: stay_of(
                file,
                self._evidence(found.get(file), readers[file], verdicts),
                cutoff,
            )
            for file in files
        }

    def _evidence(
        self,
        found: FileStatus | None,
        readers: Mapping[Reader, str],
        verdicts: Mapping[Reader, _Verdicts],
    ) -> Evidence:
        if found is None:
            return Evidence(found=None)
        told = {each: verdicts[each][path] for each, path in readers.items()}
        mine = [each for each in told if each.ledger == self._me.ledger]
        return Evidence(
            found=found,
            own=told[mine[0]] if mine else None,
            others={
                each.consumer.name: verdict
                for each, verdict in told.items()
                if each not in mine
            },
        )

    def _ask(
        self,
        found: Mapping[LedgerFile, FileStatus],
        readers: Mapping[LedgerFile, Mapping[Reader, str]],
    ) -> dict[Reader, _Verdicts]:
        """Ask each consumer once, for all the files that it reads."""
        asked: dict[Reader, dict[str, FileStatus]] = {}
        for file, status in found.items():
            for reader, path in readers[file].items():
                asked.setdefault(reader, {})[path] = status
        return {reader: self._prove(reader, files) for reader, files in asked.items()}

    def _prove(self, reader: Reader, found: Mapping[str, FileStatus]) -> _Verdicts:
        # A consumer's options may have changed since; what was read of it stays.
        same = [each for each in self._provers if each.ledger == reader.ledger]
        prover = self._provers.setdefault(same[0] if same else reader, Prover(reader))
        try:
            return prover.prove(found)
        except (
            SluiceError,
            DeltaError,
            pa.ArrowException,
            OSError,
            BaseError,
        ) as error:
            raise blocked(f"{reader.consumer.name} cannot be asked: {error}") from error


def files_of(ledger: Ledger, seqs: Sequence[int]) -> list[LedgerFile]:
    """Return the files of the ledger that have ``seqs``, in order."""
    table = open_table(join(ledger.root, "files"))
    if table is None or not seqs:
        return []
    columns = ["seq", "path", "size", "modified", "etag"]
    where = any_of("seq", seqs)
    rows = read_table(table, columns=columns, where=where, order_by="seq")
    return [LedgerFile(**row) for row in rows.to_pylist()]


def look_at(files: Sequence[LedgerFile]) -> dict[LedgerFile, FileStatus]:
    """Return what storage says of the files that are there."""
    paths = [file.path for file in files]
    if all(map(is_local, paths)):
        found = list(map(storage.status, paths))
    else:
        with ThreadPoolExecutor(_REQUESTS) as pool:
            found = list(pool.map(storage.status, paths))
    return {file: each for file, each in zip(files, found, strict=True) if each}
