from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree

import pytest
from deltalake import DeltaTable

from sluice.errors import Condition, FatalError
from sluice.ledger import ledger as module
from sluice.ledger.ledger import Ledger
from sluice.ledger.quarantine import QuarantinedFile
from sluice.model import FileVersion, SeqRange
from support.delta_rows import read_delta
from support.racing import RACERS, check_racing_discoverers, together

MOMENT = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)


def version(name: str, *, minute: int = 0, size: int = 1) -> FileVersion:
    """Return a file as a listing saw it."""
    return FileVersion(f"/in/{name}", size, MOMENT + timedelta(minutes=minute))


def paths(ledger: Ledger) -> list[str]:
    """Return the ledger's paths in order of seq."""
    return [file.path.removeprefix("/in/") for file in ledger.files()]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Return an empty ledger."""
    return Ledger.open_or_create(str(tmp_path))


def test_no_ledger_is_none(tmp_path: Path) -> None:
    """Looking for a ledger makes none."""
    assert Ledger.open(str(tmp_path / "none")) is None
    assert not (tmp_path / "none").exists()


def test_ledger_keeps_its_id(tmp_path: Path, ledger: Ledger) -> None:
    """Offsets name the ledger, so it must be the same in every process."""
    assert Ledger.open(str(tmp_path)) == ledger
    assert Ledger.open_or_create(str(tmp_path)) == ledger


def test_file_comes_back_as_it_was_listed(ledger: Ledger) -> None:
    """What the ledger says of a file can be compared with a listing."""
    landed = FileVersion("/in/a b%20[1]\n订.json", 7, MOMENT, "etag")
    ledger.append_new([landed], run_id="run")

    (file,) = ledger.files()

    assert (file.seq, file.path, file.size) == (1, landed.path, 7)
    assert (file.modified, file.etag) == (MOMENT, "etag")


def test_append_is_idempotent(ledger: Ledger) -> None:
    """Discovery is repeated every run and by every attempt."""
    listed = [version("b"), version("a")]

    assert len(ledger.append_new(listed, run_id="1")) == 2
    assert len(ledger.append_new(listed, run_id="2")) == 0
    assert len(ledger.append_new([*listed, version("c")], run_id="3")) == 1

    assert [(file.seq, file.path) for file in ledger.files()] == [
        (1, "/in/a"),
        (2, "/in/b"),
        (3, "/in/c"),
    ]
    assert ledger.high_seq() == 3


def test_path_listed_twice_gets_one_seq(ledger: Ledger) -> None:
    """A listing that pages over changes may name a file twice."""
    assert len(ledger.append_new([version("a"), version("a")], run_id="1")) == 1


def test_times_order_but_never_exclude(ledger: Ledger) -> None:
    """A file dated before all others, or like another, is discovered like any."""
    ledger.append_new([version("b", minute=5), version("a", minute=9)], run_id="1")
    ledger.append_new(
        [version("old", minute=-999), version("same", minute=9)], run_id="2"
    )

    assert paths(ledger) == ["b", "a", "old", "same"]


def test_range_excludes_its_start(ledger: Ledger) -> None:
    """Consecutive ranges share no file and miss none."""
    ledger.append_new([version(name) for name in "abcde"], run_id="1")

    assert [file.seq for file in ledger.files(after=1, up_to=3)] == [2, 3]
    assert [file.seq for file in ledger.files(after=3)] == [4, 5]


def test_second_discoverer_of_a_snapshot_is_refused(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An append that read before another's commit and wrote after doubles seqs."""
    compare = module.unknown_files
    rivals = iter([[version("rival")]])

    def slow(*arguments, **keywords):
        fresh = compare(*arguments, **keywords)
        for listed in rivals:
            ledger.append_new(listed, run_id="rival")
        return fresh

    monkeypatch.setattr(module, "unknown_files", slow)
    ledger.append_new([version("mine"), version("rival")], run_id="me")

    assert [(file.seq, file.path) for file in ledger.files()] == [
        (1, "/in/rival"),
        (2, "/in/mine"),
    ]


def test_racing_threads_double_nothing(ledger: Ledger) -> None:
    """Two discoverers see the same new files in the same moment."""

    def discover(racer: int) -> int:
        shared = [version(f"shared{number}") for number in range(5)]
        return len(
            ledger.append_new([*shared, version(f"own{racer}")], run_id=str(racer))
        )

    assert sum(together(discover)) == 5 + RACERS
    assert [file.seq for file in ledger.files()] == list(range(1, 6 + RACERS))
    assert len(set(paths(ledger))) == 5 + RACERS


def test_racing_processes_double_nothing(tmp_path: Path) -> None:
    """Neither do two processes, which also make the ledger in the same moment."""
    check_racing_discoverers(str(tmp_path))


def test_claims_form_one_chain(ledger: Ledger) -> None:
    """Each micro-batch begins where the one before ended."""
    assert ledger.claim(SeqRange(-1, 3), run_id="1") == 3
    assert ledger.claim(SeqRange(3, 5), run_id="2") == 5

    assert [claim.range for claim in ledger.claims()] == [
        SeqRange(-1, 3),
        SeqRange(3, 5),
    ]
    assert [claim.run_id for claim in ledger.claims()] == ["1", "2"]
    assert ledger.claimed_end(3) == 5
    assert ledger.claimed_end(5) is None


def test_same_start_has_same_end(ledger: Ledger) -> None:
    """A driver that outlived its lease writes the same rows under the same batch id."""
    ledger.claim(SeqRange(-1, 3), run_id="first")

    assert ledger.claim(SeqRange(-1, 9), run_id="second") == 3
    assert ledger.claim(SeqRange(-1, 1), run_id="third") == 3
    assert len(ledger.claims()) == 1


def test_racing_claims_have_one_end(ledger: Ledger) -> None:
    """Of many drivers that plan from one start in one moment, one decides for all."""
    ends = together(lambda n: ledger.claim(SeqRange(-1, n + 1), run_id=str(n)))

    assert set(ends) == {ledger.claimed_end(-1)}
    assert len(ledger.claims()) == 1


@pytest.mark.parametrize("start", [1, 2, 4, 9])
def test_claim_from_no_end_is_refused(ledger: Ledger, start: int) -> None:
    """A checkpoint of other claims would read files twice or pass over some."""
    ledger.claim(SeqRange(-1, 3), run_id="1")

    with pytest.raises(FatalError) as caught:
        ledger.claim(SeqRange(start, start + 5), run_id="2")

    assert caught.value.condition is Condition.CLAIM_CONFLICT
    assert caught.value.context == {"start": start, "tail": 3}


def test_ledger_replaced_during_a_run_is_refused(
    tmp_path: Path, ledger: Ledger
) -> None:
    """Its numbers count other files."""
    rmtree(tmp_path / "_ledger")
    assert Ledger.open_or_create(str(tmp_path)).ledger_id != ledger.ledger_id

    for use in (ledger.high_seq, ledger.files):
        with pytest.raises(FatalError) as caught:
            use()
        assert caught.value.condition is Condition.LEDGER_MISMATCH


def test_claims_without_files_are_refused(tmp_path: Path, ledger: Ledger) -> None:
    """A new files table under old claims would number other files into their ranges."""
    ledger.append_new([version("a")], run_id="1")
    ledger.claim(SeqRange(-1, 1), run_id="1")
    rmtree(tmp_path / "_ledger" / "files")

    with pytest.raises(FatalError) as caught:
        Ledger.open_or_create(str(tmp_path))

    assert caught.value.condition is Condition.LEDGER_UNREADABLE
    assert not (tmp_path / "_ledger" / "files").exists()


def test_lost_claims_are_refused_at_the_next_plan(
    tmp_path: Path, ledger: Ledger
) -> None:
    """Without the chain it is unknown which ranges were planned."""
    ledger.claim(SeqRange(-1, 3), run_id="1")
    rmtree(tmp_path / "_ledger" / "claims")

    with pytest.raises(FatalError) as caught:
        Ledger.open_or_create(str(tmp_path)).claim(SeqRange(3, 4), run_id="2")

    assert caught.value.condition is Condition.CLAIM_CONFLICT


def event(seq: int, error: str = "truncated") -> QuarantinedFile:
    """Return a quarantine event."""
    return QuarantinedFile(seq, f"/in/{seq}", error, "run", MOMENT)


def test_first_quarantine_event_stands(ledger: Ledger) -> None:
    """Attempts of a task repeat, and the first has time and reason."""
    assert ledger.quarantine(event(2))
    assert not ledger.quarantine(event(2, "again"))
    assert ledger.quarantine(event(11))

    assert ledger.left_out() == {2: event(2), 11: event(11)}


def test_tables_are_plain_delta(tmp_path: Path, ledger: Ledger) -> None:
    """Any engine may read the ledger: rows are appended and never changed."""
    for turn in range(3):
        ledger.append_new([version(str(turn))], run_id="1")

    table = DeltaTable(tmp_path / "_ledger" / "files")
    operations = {commit["operation"] for commit in table.history(3)}
    assert operations == {"WRITE"}
    assert read_delta(tmp_path / "_ledger" / "files").num_rows == 3


@pytest.fixture(params=["high_seq", "claims", "left_out", "files"])
def question(request: pytest.FixtureRequest, ledger: Ledger) -> Callable[[], object]:
    """Return one way of asking the ledger."""
    return getattr(ledger, request.param)


def test_empty_ledger_answers(question: Callable[[], object]) -> None:
    """The first run asks before anything has landed."""
    assert not question()
