from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.model import LedgerFile
from sluice.options.options import CloudFilesOptions
from sluice.source.admit import AdmissionLimit, limit_of, plan_end

SETTINGS = settings(max_examples=50, deadline=None, derandomize=True)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
SIZES = st.lists(st.integers(0, 100), max_size=30)
LIMITS = st.builds(
    AdmissionLimit,
    max_files=st.none() | st.integers(1, 10),
    max_bytes=st.none() | st.integers(1, 200),
    full_files=st.none() | st.integers(1, 10),
    full_bytes=st.integers(0, 200),
)


def files(sizes: list[int], start: int = 0) -> list[LedgerFile]:
    """Return files of these sizes, numbered from ``start``."""
    return [
        LedgerFile(seq, f"/in/{seq}", size, MOMENT)
        for seq, size in enumerate(sizes, start + 1)
    ]


def batches(sizes: list[int], limit: AdmissionLimit) -> list[list[LedgerFile]]:
    """Cut files of these sizes into micro-batches until none is left."""
    landed, start, found = files(sizes), 0, []
    while rest := landed[start:]:
        end = plan_end(start, rest, limit)
        found.append(landed[start:end])
        start = end
    return found


def test_no_files_no_batch() -> None:
    """To Spark, an end that equals the start means that there is nothing."""
    assert plan_end(7, [], AdmissionLimit(max_files=1)) == 7


def test_no_limit_admits_all() -> None:
    """The legacy trigger ``once`` takes everything in one micro-batch."""
    assert plan_end(7, files([1, 2, 3], start=7), AdmissionLimit()) == 10


def test_file_that_crosses_the_bytes_is_admitted() -> None:
    """Auto Loader: 10 GB with files of 3 GB gives 12 GB."""
    assert plan_end(0, files([3] * 6), AdmissionLimit(max_bytes=10)) == 4
    assert plan_end(0, files([5] * 6), AdmissionLimit(max_bytes=10)) == 2


def test_one_large_file_does_not_stall_the_stream() -> None:
    """A file above the limit is a micro-batch of its own."""
    assert plan_end(0, files([1000, 1]), AdmissionLimit(max_bytes=10)) == 1


def test_small_files_are_not_cut_off_at_a_thousand() -> None:
    """A stream that says no number takes many small files at once, never too many."""
    limit = limit_of(CloudFilesOptions(path="/in", schema_location="/s"))
    small, large = 3_000, 65_000

    assert plan_end(0, files([small] * 25_000), limit) == 20_000
    assert plan_end(0, files([large] * 1_500), limit) == 1_033
    assert plan_end(0, files([10 * large] * 1_500), limit) == 1_000


def test_number_that_is_said_holds() -> None:
    """Small files or not."""
    options = CloudFilesOptions(path="/in", schema_location="/s", max_files=7)

    assert plan_end(0, files([1] * 9), limit_of(options)) == 7


@SETTINGS
@given(SIZES, LIMITS)
def test_batches_neither_lose_nor_repeat(
    sizes: list[int], limit: AdmissionLimit
) -> None:
    """Whatever the limits, the micro-batches together are the files, in order."""
    assert [file for batch in batches(sizes, limit) for file in batch] == files(sizes)


@SETTINGS
@given(SIZES, LIMITS)
def test_limits_hold(sizes: list[int], limit: AdmissionLimit) -> None:
    """No batch has too many files, nor goes on once it has its bytes."""
    for batch in batches(sizes, limit):
        if limit.max_files is not None:
            assert len(batch) <= limit.max_files
        if limit.max_bytes is not None and len(batch) > 1:
            assert sum(file.size for file in batch[:-1]) < limit.max_bytes


@SETTINGS
@given(SIZES, LIMITS)
def test_batch_ends_only_at_a_limit(sizes: list[int], limit: AdmissionLimit) -> None:
    """A micro-batch that is smaller than it may be costs a commit for nothing."""
    for batch in batches(sizes, limit)[:-1]:
        full = limit.max_files is not None and len(batch) == limit.max_files
        heavy = (
            limit.max_bytes is not None
            and sum(file.size for file in batch) >= limit.max_bytes
        )
        assert full or heavy or _has_enough(batch, limit)


def _has_enough(batch: list[LedgerFile], limit: AdmissionLimit) -> bool:
    if limit.full_files is None or len(batch) < limit.full_files:
        return False
    return sum(file.size for file in batch) >= limit.full_bytes
