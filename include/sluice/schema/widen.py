"""Look how wide the values of files are, before the next version is kept."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import Barrier

import pyarrow as pa

from sluice.formats.limits import Limits, bounded_memory
from sluice.model import LedgerFile
from sluice.reading.partition import FileSlice
from sluice.reading.plan import ReadPlan
from sluice.reading.read import parse_slice
from sluice.reading.widening import (
    Widen,
    can_round,
    can_widen,
    first_wider,
    widen_fields,
    widened,
    widened_exactly,
)
from sluice.schema.infer import SAMPLE_BYTES

_LOG = logging.getLogger("sluice")
_READERS = 4
# Where a thread does not start, the others go on without it.
_SECONDS = 10.0


def wider_by_file(
    plan: ReadPlan, batch: Sequence[LedgerFile]
) -> Iterator[tuple[str, Sequence[pa.Field]]]:
    """Yield path and columns of each file whose values need wider ones.

    A double holds no long integers, so a column becomes one only where none came.
    """
    columns = plan.columns
    if not plan.widens or not can_widen(columns):
        return
    for widen in (widened_exactly, widened) if can_round(columns) else (widened,):
        look = partial(_widened_by, plan=plan, columns=columns, widen=widen)
        with _bounded_readers(plan.limits) as readers:
            for file, wider in zip(batch, readers.map(look, batch), strict=True):
                if wider != look.keywords["columns"]:
                    columns = pa.schema(widen_fields(columns, wider, widen))
                    yield file.path, list(wider)


@contextmanager
def _bounded_readers(limits: Limits) -> Iterator[ThreadPoolExecutor]:
    """Start threads, and bound what all of them may take together.

    They start before, for a thread needs memory too.
    """
    started = Barrier(_READERS)
    with ThreadPoolExecutor(_READERS) as readers:
        wait([readers.submit(started.wait, _SECONDS) for _ in range(_READERS)])
        with bounded_memory(limits):
            yield readers


def _widened_by(
    file: LedgerFile, *, plan: ReadPlan, columns: pa.Schema, widen: Widen
) -> pa.Schema:
    """Return columns as wide as a file needs; of a large one its beginning is read."""
    while True:
        try:
            wider = _first_wider(file, plan, columns, widen)
        except Exception as error:  # noqa: BLE001 - libraries raise what they like
            # The task that reads it says what becomes of it.
            _LOG.warning("type widening passes over %r: %s", file.path, error)
            return columns
        if wider is None:
            return columns
        columns = pa.schema(wider)


def _first_wider(
    file: LedgerFile, plan: ReadPlan, columns: pa.Schema, widen: Widen
) -> list[pa.Field] | None:
    reading = replace(plan, output=pa.schema(widen_fields(plan.output, columns)))
    part = FileSlice(file, 0, min(file.size, SAMPLE_BYTES))
    for block in parse_slice(part, reading):
        wider = first_wider(block, columns, plan.format, widen)
        if wider is not None:
            return wider
    return None
