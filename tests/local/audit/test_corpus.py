"""The corruption corpus: each damage to a real pipeline is named, and nothing else.

Those that a run is refused for are in tests/local/repair/test_damages.py.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from sluice.audit.gather import gather_facts
from sluice.history import archive_history, record_step
from sluice.ledger.ledger import FILES_SCHEMA
from sluice.ledger.quarantine import QuarantinedFile
from sluice.model import DataRisk, Finding, Severity, StepSummary
from sluice.rules.checks import check_facts
from support.builders import PipelineBuilder, pipeline_config, window


def healthy(lake: Path) -> PipelineBuilder:
    """Run three bronze batches over two files each, and two silver batches."""
    pipeline = PipelineBuilder(pipeline_config(lake, silver=True))
    for batch in range(3):
        pipeline.land(f"{batch}a.json", rows=2)
        pipeline.land(f"{batch}b.json", rows=3)
        pipeline.run_batch()
    pipeline.run_silver_batch([window(0), window(0, "cash")])
    pipeline.run_silver_batch([window(5)], watermark_ms=1)
    return pipeline


def findings(pipeline: PipelineBuilder) -> list[Finding]:
    """Return what the audit of the pipeline finds."""
    return check_facts(gather_facts(pipeline.config))


def codes(pipeline: PipelineBuilder) -> list[str]:
    """Return the codes of what the audit of the pipeline finds."""
    return [each.code for each in findings(pipeline)]


def bronze_table(pipeline: PipelineBuilder) -> DeltaTable:
    """Open the bronze table."""
    return DeltaTable(pipeline.config.bronze_location)


def landed(pipeline: PipelineBuilder, name: str) -> str:
    """Return the path of a landed file."""
    return f"{pipeline.config.landing_location}/{name}"


def run_passed(pipeline: PipelineBuilder) -> None:
    """Record that bronze ran just now."""
    now = datetime.now(UTC)
    summary = StepSummary("bronze", "run-2")
    record_step(pipeline.config, summary, started=now, finished=now)


def ledger_files(pipeline: PipelineBuilder) -> str:
    """Return the location of the ledger's files table."""
    return f"{pipeline.ledger.root}/files"


def phantom(pipeline: PipelineBuilder, path: str) -> None:
    """Append a row to the ledger behind its back."""
    row = {
        "seq": 7,
        "path": path,
        "size": 10,
        "modified": datetime(2026, 1, 1, tzinfo=UTC),
        "etag": None,
        "discovered_at": datetime(2026, 1, 1, tzinfo=UTC),
        "run_id": "x",
    }
    rows = pa.Table.from_pylist([row], schema=FILES_SCHEMA)
    write_deltalake(ledger_files(pipeline), rows, mode="append")


def delete_rows(pipeline: PipelineBuilder) -> None:
    """Delete the rows of a landed file from bronze."""
    path = landed(pipeline, "1b.json")
    bronze_table(pipeline).delete(f"_source_file = '{path}'")


def delete_some_rows(pipeline: PipelineBuilder) -> None:
    """Delete one row of a landed file from bronze."""
    bronze_table(pipeline).delete("order_id = '1b.json-0'")


def lose_rows(pipeline: PipelineBuilder) -> None:
    """Let a micro-batch write fewer rows than its files hold."""
    path = Path(pipeline.land("3a.json", rows=4))
    whole = path.read_text()
    pipeline.run_batch(written=False, committed=False)
    status = path.stat()
    path.write_text("".join(whole.splitlines(keepends=True)[1:]))
    pipeline.write_rows([str(path)], batch_id=3)
    path.write_text(whole)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    pipeline.bronze.commit(3)


def ingest_twice(pipeline: PipelineBuilder) -> None:
    """Append a file's rows again, as another writer would."""
    pipeline.write_rows([landed(pipeline, "0a.json")])


def forget_in_ledger(pipeline: PipelineBuilder) -> None:
    """Delete a file's row from the ledger."""
    DeltaTable(ledger_files(pipeline)).delete("seq = 2")


def pass_over_file(pipeline: PipelineBuilder) -> None:
    """Land a file that the next run's discovery does not see."""
    pipeline.land("unseen.json")
    run_passed(pipeline)


def remove_landed(pipeline: PipelineBuilder) -> None:
    """Remove a file that was read."""
    Path(landed(pipeline, "0b.json")).unlink()


def add_phantom(pipeline: PipelineBuilder) -> None:
    """Give the ledger a file that never landed."""
    phantom(pipeline, landed(pipeline, "phantom.json"))


def repeat_path(pipeline: PipelineBuilder) -> None:
    """Give the ledger a path that it has."""
    phantom(pipeline, landed(pipeline, "0a.json"))


def rewrite_landed(pipeline: PipelineBuilder) -> None:
    """Write a file again that was read."""
    pipeline.land("0a.json", rows=9)


def touch_landed(pipeline: PipelineBuilder) -> None:
    """Write a file again with as many bytes as it had."""
    os.utime(landed(pipeline, "0a.json"), (1, 1))


def resize_landed(pipeline: PipelineBuilder) -> None:
    """Write a file again that keeps its modification time."""
    path = Path(landed(pipeline, "0a.json"))
    before = path.stat()
    path.write_bytes(path.read_bytes() + b"\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def touch_after_loss(pipeline: PipelineBuilder) -> None:
    """Lose rows of a file that was written again with as many bytes."""
    lose_rows(pipeline)
    os.utime(landed(pipeline, "3a.json"), (1, 1))


def lose_commit(pipeline: PipelineBuilder) -> None:
    """Lose a file in the middle of the commit log."""
    pipeline.bronze.remove("commits/1")


def lose_newest_commit(pipeline: PipelineBuilder) -> None:
    """Die between Delta's commit and Spark's."""
    pipeline.bronze.remove("commits/2")


def lose_silver_commit(pipeline: PipelineBuilder) -> None:
    """Lose a file of silver's commit log."""
    pipeline.silver.remove("commits/0")


def lose_offsets(pipeline: PipelineBuilder) -> None:
    """Lose a batch in the middle of the checkpoint."""
    pipeline.bronze.remove("offsets/1")
    pipeline.bronze.remove("commits/1")


def gap(pipeline: PipelineBuilder) -> None:
    """Let a batch end after what it read."""
    pipeline.bronze.plan(1, pipeline.offset(5))


def overlap(pipeline: PipelineBuilder) -> None:
    """Let a batch end before what it read."""
    pipeline.bronze.plan(1, pipeline.offset(3))


def go_back(pipeline: PipelineBuilder) -> None:
    """Let the newest batch end before it began."""
    pipeline.bronze.plan(2, pipeline.offset(3))


def late_start(pipeline: PipelineBuilder) -> None:
    """Lose the first claim."""
    DeltaTable(f"{pipeline.ledger.root}/claims").delete("start_seq = -1")


def skip_transaction(pipeline: PipelineBuilder) -> None:
    """Write a batch's rows without its Delta transaction."""
    pipeline.land("3a.json")
    pipeline.run_batch(transaction=False)


def skip_write(pipeline: PipelineBuilder) -> None:
    """Commit a batch in the checkpoint that the table never saw."""
    pipeline.land("3a.json")
    pipeline.run_batch(written=False)
    pipeline.land("4a.json")
    pipeline.run_batch()


def rewind(pipeline: PipelineBuilder) -> None:
    """Restore an older checkpoint."""
    pipeline.bronze.remove("offsets/2")
    pipeline.bronze.remove("commits/2")


def stranger(pipeline: PipelineBuilder) -> None:
    """Write rows of a file from elsewhere."""
    path = pipeline.land("elsewhere.json")
    pipeline.write_rows([path])
    Path(path).unlink()


def write_ahead(pipeline: PipelineBuilder) -> None:
    """Write rows of a file that no batch has read yet."""
    path = pipeline.land("ahead.json")
    pipeline.discover()
    pipeline.write_rows([path])


def lose_data_file(pipeline: PipelineBuilder) -> None:
    """Lose a data file of the table."""
    Path(bronze_table(pipeline).file_uris()[0].removeprefix("file://")).unlink()


def repeat_window(pipeline: PipelineBuilder) -> None:
    """Emit a window twice."""
    pipeline.run_silver_batch([window(0)])


CORPUS: list[tuple[Callable[[PipelineBuilder], None], list[str]]] = [
    (lose_rows, ["ROWS_MISSING"]),
    (delete_rows, ["ROWS_DELETED"]),
    (delete_some_rows, ["ROWS_DELETED"]),
    (ingest_twice, ["ROWS_DUPLICATED"]),
    (forget_in_ledger, ["NOT_IN_LEDGER"]),
    (pass_over_file, ["NOT_IN_LEDGER"]),
    (remove_landed, ["LEDGER_FILE_GONE"]),
    (add_phantom, ["LEDGER_FILE_GONE"]),
    (repeat_path, ["LEDGER_PATH_DUPLICATED"]),
    (rewrite_landed, ["FILE_CHANGED"]),
    (touch_landed, ["FILE_CHANGED"]),
    (resize_landed, ["FILE_CHANGED"]),
    (touch_after_loss, ["ROWS_MISSING", "FILE_CHANGED"]),
    (lose_commit, ["COMMIT_MISSING"]),
    (lose_newest_commit, ["COMMIT_MISSING"]),
    (lose_silver_commit, ["COMMIT_MISSING"]),
    (lose_offsets, ["OFFSETS_MISSING"]),
    (gap, ["RANGE_GAP"]),
    (overlap, ["RANGE_OVERLAP"]),
    (go_back, ["RANGE_OVERLAP"]),
    (late_start, ["RANGE_START"]),
    (skip_transaction, ["TRANSACTION_MISSING"]),
    (skip_write, ["TRANSACTION_MISSING"]),
    (rewind, ["CHECKPOINT_REWOUND"]),
    (stranger, ["TABLE_FILE_UNKNOWN"]),
    (write_ahead, ["ROWS_UNEXPECTED"]),
    (lose_data_file, ["TABLE_UNREADABLE"]),
    (repeat_window, ["WINDOW_DUPLICATED"]),
]


@pytest.fixture(scope="module", params=[False, True], ids=["fresh", "archived"])
def template(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PipelineBuilder, Path]:
    """Return a healthy pipeline and a copy of its lake; building one takes a while."""
    lake = tmp_path_factory.mktemp("corpus") / "lake"
    pipeline = healthy(lake)
    if request.param:
        archive_history(pipeline.config)
    copy = lake.with_name("copy")
    shutil.copytree(lake, copy)
    return pipeline, copy


@pytest.fixture
def pipeline(template: tuple[PipelineBuilder, Path]) -> PipelineBuilder:
    """Return the healthy pipeline, whatever the test before did to it."""
    pipeline, copy = template
    lake = Path(pipeline.config.lake)
    shutil.rmtree(lake)
    shutil.copytree(copy, lake)
    return pipeline


@pytest.mark.parametrize(
    ("damage", "expected"), CORPUS, ids=[damage.__name__ for damage, _ in CORPUS]
)
def test_damage_is_named_once(
    damage: Callable[[PipelineBuilder], None],
    expected: list[str],
    pipeline: PipelineBuilder,
) -> None:
    """One damage, one cause: an audit that shouts it all helps as little as none."""
    damage(pipeline)
    assert codes(pipeline) == expected


def test_healthy_pipeline_has_no_findings(pipeline: PipelineBuilder) -> None:
    """A false alarm teaches people to look away."""
    run_passed(pipeline)
    assert findings(pipeline) == []


@pytest.mark.parametrize(
    ("damage", "severity"),
    [
        (lose_newest_commit, Severity.WARNING),
        (lose_commit, Severity.ERROR),
        (remove_landed, Severity.WARNING),
        (add_phantom, Severity.ERROR),
    ],
)
def test_severity_tells_what_mends_itself(
    damage: Callable[[PipelineBuilder], None],
    severity: Severity,
    pipeline: PipelineBuilder,
) -> None:
    """A crash that the next run mends, or a file moved away, must not fail a run."""
    damage(pipeline)
    (found,) = findings(pipeline)
    assert found.severity is severity


def test_pipeline_that_never_ran_is_no_alarm(tmp_path: Path) -> None:
    """The first audit comes before the first file."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    Path(pipeline.config.landing_location).mkdir(parents=True)
    found = findings(pipeline)
    assert [(each.code, each.severity) for each in found] == [
        ("NOTHING_YET", Severity.INFO)
    ]


def test_new_and_unfinished_files_are_no_alarm(pipeline: PipelineBuilder) -> None:
    """Files may land, and a batch may be under way, while the audit looks."""
    run_passed(pipeline)
    pipeline.land("3a.json")
    pipeline.run_batch(written=False, committed=False)
    pipeline.land("new.json")
    found = findings(pipeline)
    assert {each.severity for each in found} == {Severity.INFO}
    assert sorted(each.code for each in found) == ["BATCH_UNFINISHED", "FILES_WAITING"]


def test_quarantined_file_is_named_with_its_error(tmp_path: Path) -> None:
    """A bad file is left out on purpose, so its rows are not missing but it is told."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    path = pipeline.land("bad.json")
    pipeline.discover()
    now = datetime.now(UTC)
    pipeline.ledger.quarantine(QuarantinedFile(1, path, "not UTF-8", "run-1", now))
    pipeline.run_batch()
    (found,) = findings(pipeline)
    assert (found.code, found.severity) == ("FILE_QUARANTINED", Severity.WARNING)
    assert (found.subject, found.evidence) == (path, "not UTF-8")


def test_data_risk_tells_lost_from_duplicated(pipeline: PipelineBuilder) -> None:
    """What to do next hangs on which way the rows went wrong."""
    lose_rows(pipeline)
    ingest_twice(pipeline)
    risks = {each.code: each.data_risk for each in findings(pipeline)}
    assert risks["ROWS_MISSING"] is DataRisk.LOST
    assert risks["ROWS_DUPLICATED"] is DataRisk.DUPLICATED


def test_forgotten_file_in_the_table_risks_duplicates(
    pipeline: PipelineBuilder,
) -> None:
    """A file that the ledger forgot would be discovered and read again."""
    forget_in_ledger(pipeline)
    (found,) = findings(pipeline)
    assert found.data_risk is DataRisk.DUPLICATED


def test_many_findings_of_a_code_are_cut_with_their_number(tmp_path: Path) -> None:
    """A page of twenty thousand equal lines is no page."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    paths = [pipeline.land(f"{number}.json", rows=1) for number in range(60)]
    pipeline.run_batch()
    pipeline.write_rows(paths)
    found = findings(pipeline)
    assert len(found) == 51
    assert found[-1].subject == "10 more"
