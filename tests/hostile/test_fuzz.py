"""Files whose bytes were damaged at random give rows, or an error that is theirs."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from sluice.audit.counting import count_records
from sluice.errors import Condition, FatalError
from sluice.formats.registry import FORMATS
from sluice.model import LedgerFile
from sluice.reading.new_fields import NewFieldsError
from sluice.reading.plan import NewFields, ReadPlan
from sluice.reading.read import read_slices
from support.mutations import CASES, Case, mutations
from support.reading import land, whole

_SAMPLE_BYTES = 1 << 20
# A file has some kilobytes: what takes so long, or so much, does not end.
_MOST_CPU_SECONDS = 20
_MOST_KILOBYTES = 400 << 10
_LONG_SECONDS = 600


def failure(case: Case, file: LedgerFile, **fields: object) -> Exception | None:
    """Read a file; return the error that is its own, None where its rows came."""
    plan = ReadPlan(format=case.format, output=case.output, **fields)
    try:
        for batch in read_slices([whole(file)], plan):
            batch.validate(full=True)
    except (NewFieldsError, FatalError) as error:
        return error
    return None


def attempt(case: Case, folder: Path, content: bytes) -> None:
    """Read a file by every part of the product that looks into it."""
    file = land(folder, "a", content)
    begun = time.process_time()
    for fields in ({}, {"new_fields": NewFields.ADDED, "widens": True}):
        error = failure(case, file, **fields)
        if isinstance(error, FatalError):
            assert error.condition is Condition.BAD_FILE
            assert error.context["path"] == file.path
            # Else the reader did not see what is wrong, but what it ran into.
            assert isinstance(error.__cause__, OSError), error
    for typed in (True, False):
        case.format.infer([file.path], max_bytes=_SAMPLE_BYTES, typed=typed)
    with suppress(OSError, ValueError):
        count_records(file.path, case.format)
    assert time.process_time() - begun < _MOST_CPU_SECONDS


def fuzz(case: Case, folder: Path, *, examples: int, start: int) -> Callable[[], None]:
    """Return a test of so many damaged files."""

    @seed(start)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutations(case.good))
    def damaged(content: bytes) -> None:
        attempt(case, folder, content)

    return damaged


def peak_kilobytes() -> int:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("name", CASES)
def test_good_files_are_read(tmp_path: Path, name: str) -> None:
    """Before they are damaged."""
    case = CASES[name]
    plan = ReadPlan(format=case.format, output=case.output)

    for content in case.good:
        file = land(tmp_path, "a", content)
        rows = sum(batch.num_rows for batch in read_slices([whole(file)], plan))
        assert rows == count_records(file.path, case.format) > 0


@pytest.mark.parametrize("name", CASES)
def test_damaged_files(tmp_path: Path, name: str) -> None:
    """Some of each kind; what is found stays found."""
    fuzz(CASES[name], tmp_path, examples=40, start=1)()


@pytest.mark.long
@pytest.mark.timeout(2 * _LONG_SECONDS)
@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_for_ten_minutes(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Always other ones; nothing escapes, hangs or grows."""
    # pytest keeps what is logged, and so each error with all that its reader held.
    caplog.set_level(logging.ERROR, logger="sluice")
    cases = [case for case in CASES.values() if case.format.name == name]
    end = time.monotonic() + _LONG_SECONDS
    fuzz(cases[0], tmp_path, examples=100, start=0)()
    before = peak_kilobytes()
    while time.monotonic() < end:
        for case in cases:
            fuzz(case, tmp_path, examples=500, start=time.time_ns())()

    assert peak_kilobytes() - before < _MOST_KILOBYTES
