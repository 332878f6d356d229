from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.formats.json import JsonFormat
from sluice.model import LedgerFile
from sluice.reading.partition import FILE_COST, FileSlice, plan_partitions

SETTINGS = settings(max_examples=50, deadline=None, derandomize=True)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
MB = 1 << 20


def file(seq: int, size: int, name: str = "a.json") -> LedgerFile:
    """Return a file of the ledger."""
    return LedgerFile(seq, f"/in/{seq}/{name}", size, MOMENT)


FILES = st.lists(
    st.tuples(st.integers(0, 9 * MB), st.sampled_from(["a.json", "b.json.gz"])),
    max_size=20,
).map(lambda each: [file(seq, *one) for seq, one in enumerate(each, 1)])


def plan(files: list[LedgerFile], max_bytes: int = 2 * MB, least: int = 2):
    """Pack files as a stream would."""
    return plan_partitions(
        files, max_bytes=max_bytes, min_partitions=least, source_format=JsonFormat()
    )


@SETTINGS
@given(FILES, st.integers(1, 8), st.integers(1, 8))
def test_every_byte_is_in_exactly_one_slice(
    files: list[LedgerFile], megabytes: int, least: int
) -> None:
    """A byte left out is a lost row, one twice a doubled row."""
    packed = plan(files, megabytes * MB, least)
    slices = sorted(each for partition in packed for each in partition)

    for landed in files:
        ranges = [(each.start, each.end) for each in slices if each.file == landed]
        borders = [start for start, _ in ranges] + [landed.size]
        assert borders == [0, *(end for _, end in ranges)]


@SETTINGS
@given(FILES, st.integers(1, 8), st.randoms(use_true_random=False))
def test_plan_does_not_depend_on_the_order(
    files: list[LedgerFile], megabytes: int, random
) -> None:
    """A repeated batch is cut as before, however its files were listed."""
    shuffled = list(files)
    random.shuffle(shuffled)

    assert plan(shuffled, megabytes * MB) == plan(files, megabytes * MB)


@SETTINGS
@given(FILES, st.integers(1, 8))
def test_loads_are_alike(files: list[LedgerFile], megabytes: int) -> None:
    """No task has more than its share and one slice, or it runs alone at the end."""
    packed = plan(files, megabytes * MB)
    loads = [sum(each.cost for each in partition) for partition in packed]
    largest = max((each.cost for partition in packed for each in partition), default=0)

    if packed:
        assert max(loads) <= sum(loads) / len(loads) + largest
        assert min(loads) > 0


@SETTINGS
@given(FILES, st.integers(1, 8))
def test_slices_of_a_partition_come_in_order(
    files: list[LedgerFile], megabytes: int
) -> None:
    """Rows of a file keep their order within a task."""
    for partition in plan(files, megabytes * MB):
        assert partition == sorted(partition)


def test_compressed_and_whole_documents_are_not_split() -> None:
    """A task cannot begin to read in the middle of them."""
    (partition,) = plan([file(1, 9 * MB, "a.json.gz")])
    assert [(each.start, each.end) for each in partition] == [(0, 9 * MB)]

    (document,) = plan_partitions(
        [file(1, 9 * MB)],
        max_bytes=MB,
        min_partitions=2,
        source_format=JsonFormat(multi_line=True),
    )
    assert [(each.start, each.end) for each in document] == [(0, 9 * MB)]


def test_many_small_files_share_few_tasks() -> None:
    """A task for each small file is what makes Spark's own source slow."""
    packed = plan([file(seq, 500) for seq in range(1, 1001)], max_bytes=32 * MB)

    assert len(packed) == 2
    assert {len(partition) for partition in packed} == {500}


def test_little_work_is_one_task() -> None:
    """A second worker would cost more to start than it saves."""
    assert len(plan([file(1, 10), file(2, 10)])) == 1
    assert len(plan([file(1, MB), file(2, MB)])) == 2


def test_no_files_no_partitions() -> None:
    """A batch whose files are all in quarantine runs without a task."""
    assert plan([]) == []


def test_cost_of_a_slice_counts_its_opening() -> None:
    """Empty files are not free."""
    assert FileSlice(file(1, 0), 0, 0).cost == FILE_COST
