"""What is done to table and files on purpose is reported as such, not as a loss."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from sluice.audit.gather import gather_facts
from sluice.discovery.listing import list_landed
from sluice.history import archive_history
from sluice.ledger.events import Archived, EventKind, LedgerEvent
from sluice.ledger.quarantine import LeftOut, QuarantinedFile
from sluice.model import DataRisk, Finding, Severity
from sluice.options.configured import source_options
from sluice.rules.checks import check_facts
from support.builders import PipelineBuilder, pipeline_config
from support.delta_rows import read_delta
from support.kept import Kept


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Build a pipeline that has read two files of three rows each, and is archived."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path_factory.mktemp("lake")))
    for name in "ab":
        pipeline.land(f"{name}.json")
        pipeline.run_batch()
    archive_history(pipeline.config)
    return Kept(pipeline)


@pytest.fixture
def pipeline(built: Kept) -> PipelineBuilder:
    """Return that pipeline."""
    return built.put_back()


@pytest.fixture
def versioned(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline whose files are known by their modification time too."""
    options = {"cloudFiles.allowOverwrites": "true"}
    config = pipeline_config(tmp_path, bronze={"source": {"options": options}})
    return PipelineBuilder(config)


def findings(pipeline: PipelineBuilder) -> list[Finding]:
    """Return what the audit of the pipeline finds."""
    return check_facts(gather_facts(pipeline.config))


def codes(pipeline: PipelineBuilder) -> list[tuple[str, Severity]]:
    """Return the codes and severities of what the audit of the pipeline finds."""
    return [(each.code, each.severity) for each in findings(pipeline)]


def test_file_that_is_mostly_corrupt_names_the_likely_option(
    pipeline: PipelineBuilder,
) -> None:
    """One finding for all such files; nothing is lost, so the run stays green."""
    corrupt = json.dumps({"_corrupt_record": '"order_id": "a",', "_file_path": "f"})
    for name in ("c.json", "d.json"):
        path = Path(pipeline.land(name))
        lines = path.read_text().splitlines()
        lines += [json.dumps({"rescued": corrupt})] * (4 if name == "d.json" else 2)
        path.write_text("\n".join(lines))
    pipeline.run_batch()
    archive_history(pipeline.config)

    (found,) = [e for e in findings(pipeline) if e.severity is not Severity.INFO]

    assert (found.code, found.severity) == ("RECORDS_CORRUPT", Severity.WARNING)
    assert found.subject.endswith("/d.json")
    assert "1 files" in found.evidence
    assert "4 of 7" in found.evidence
    assert "'multiLine'" in found.evidence


def test_rows_that_were_read_are_no_matter_of_an_option(
    pipeline: PipelineBuilder,
) -> None:
    """A new field may be called anything: its file has its other columns."""
    new = json.dumps({"_corrupt_record": "[", "amount, EUR": "1", "_file_path": "f"})
    path = Path(pipeline.land("c.json"))
    orders = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("\n".join(json.dumps(each | {"rescued": new}) for each in orders))
    pipeline.run_batch()
    archive_history(pipeline.config)

    assert not [e for e in findings(pipeline) if e.code == "RECORDS_CORRUPT"]


def table(pipeline: PipelineBuilder) -> DeltaTable:
    """Open the bronze table."""
    return DeltaTable(pipeline.config.bronze_location)


def vacuum(pipeline: PipelineBuilder) -> None:
    """Remove the data files that the newest version does not need."""
    table(pipeline).vacuum(0, dry_run=False, enforce_retention_duration=False)


def archive_file(pipeline: PipelineBuilder, seq: int) -> None:
    """Take a file out of the landing folder as clean-up does."""
    path = pipeline.ledger.files(seq - 1, seq)[0].path
    Path(path).unlink()
    event = LedgerEvent(
        kind=EventKind.ARCHIVED,
        seq=seq,
        path=path,
        detail=Archived(mode="DELETE", location=None, by="orders").detail,
        run_id="run-2",
        at=datetime.now(UTC),
    )
    pipeline.ledger.append_events([event])


def test_optimize_and_vacuum_are_no_findings(pipeline: PipelineBuilder) -> None:
    """Rows are the same, whichever files they lie in."""
    table(pipeline).optimize.compact()
    vacuum(pipeline)
    pipeline.land("c.json")
    pipeline.run_batch()
    assert codes(pipeline) == []


def test_deleted_rows_are_reported_with_the_version_that_did_it(
    pipeline: PipelineBuilder,
) -> None:
    """One finding for one deed, however many files it took rows from."""
    table(pipeline).delete("order_id like '%-0'")
    (found,) = findings(pipeline)
    assert (found.code, found.severity) == ("ROWS_DELETED", Severity.INFO)
    assert (found.subject, found.data_risk) == ("bronze version 2", DataRisk.NONE)
    assert found.evidence.startswith("DELETE in version 2 where order_id LIKE '%-0': ")
    assert "2 rows of 2 files" in found.evidence
    assert "a.json (2 of 3 left)" in found.evidence


def test_deletes_of_different_files_are_reported_apart(
    pipeline: PipelineBuilder,
) -> None:
    """A user must see which delete was the mistake."""
    table(pipeline).delete("order_id like 'a.json%'")
    table(pipeline).delete("order_id = 'b.json-1'")
    assert [each.subject for each in findings(pipeline)] == [
        "bronze version 2",
        "bronze version 3",
    ]


@pytest.mark.parametrize(
    ("take", "taken"),
    [
        (lambda table: table.delete("order_id = 'a.json-1'"), "a.json (2 of 3 left)"),
        (lambda table: table.restore(0), "b.json (0 of 3 left)"),
    ],
    ids=["DELETE", "RESTORE"],
)
def test_rows_that_are_gone_are_found_after_log_cleanup(
    pipeline: PipelineBuilder, take: Callable[[DeltaTable], object], taken: str
) -> None:
    """After thirty days the log no longer has the commit that took them.

    Runs go on, for nothing but the rows of each file show it: the archive has what our
    own commit wrote.
    """
    take(table(pipeline))
    pipeline.land("c.json")
    pipeline.run_batch()
    table(pipeline).create_checkpoint()
    logs = Path(pipeline.config.bronze_location, "_delta_log").glob("*.json")
    for log in sorted(logs)[:-1]:
        log.unlink()
    (found,) = findings(pipeline)
    assert found.code == "ROWS_DELETED"
    assert "a commit that the log no longer has" in found.evidence
    assert taken in found.evidence


def test_deleted_rows_of_a_file_that_is_gone_are_no_loss(
    pipeline: PipelineBuilder,
) -> None:
    """First cleaned up, then forgotten on request: all of it was wanted."""
    archive_file(pipeline, 1)
    assert codes(pipeline) == []
    table(pipeline).delete("order_id like 'a.json%'")
    assert codes(pipeline) == [("ROWS_DELETED", Severity.INFO)]


def test_missing_rows_are_not_excused_by_a_delete_of_others(
    pipeline: PipelineBuilder,
) -> None:
    """Rows that our commit never had were not deleted."""
    path = Path(pipeline.land("c.json", rows=4))
    whole = path.read_text()
    pipeline.run_batch(written=False, committed=False)
    status = path.stat()
    path.write_text("".join(whole.splitlines(keepends=True)[1:]))
    pipeline.write_rows([str(path)], batch_id=2)
    path.write_text(whole)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    pipeline.bronze.commit(2)
    table(pipeline).delete("order_id = 'a.json-0'")
    assert codes(pipeline) == [
        ("ROWS_MISSING", Severity.ERROR),
        ("ROWS_DELETED", Severity.INFO),
    ]
    table(pipeline).delete("order_id = 'c.json-1'")
    assert ("ROWS_MISSING", Severity.ERROR) in codes(pipeline)


def append_rows(pipeline: PipelineBuilder, path: str | None) -> None:
    """Append rows of a file as another writer would."""
    rows = read_delta(pipeline.config.bronze_location).slice(0, 2)
    position = rows.column_names.index("_source_file")
    paths = pa.array([path] * 2, pa.string())
    rows = rows.set_column(position, "_source_file", paths)
    rows = rows.set_column(0, "order_id", pa.array(["x", "y"], pa.string()))
    write_deltalake(pipeline.config.bronze_location, rows, mode="append")


@pytest.mark.parametrize("path", [None, "/elsewhere/x.json"])
def test_rows_of_another_writer_are_reported_as_such(
    pipeline: PipelineBuilder, path: str | None
) -> None:
    """Between our batches another writer may append rows."""
    append_rows(pipeline, path)
    pipeline.land("c.json")
    pipeline.run_batch()
    (found,) = findings(pipeline)
    assert (found.code, found.severity) == ("TABLE_FILE_UNKNOWN", Severity.INFO)
    assert found.subject == str(path)
    assert "another writer" in found.evidence


def test_rows_of_ours_without_a_file_are_an_error(pipeline: PipelineBuilder) -> None:
    """A ledger that forgot a file, and a landing folder that does not have it."""
    DeltaTable(f"{pipeline.ledger.root}/files").delete("seq = 1")
    Path(pipeline.config.landing_location, "a.json").unlink()
    (found,) = findings(pipeline)
    assert (found.code, found.severity) == ("TABLE_FILE_UNKNOWN", Severity.ERROR)


def discover(pipeline: PipelineBuilder) -> None:
    """Enter what has landed, each version of a name."""
    pipeline.ledger.append_new(
        list_landed(source_options(pipeline.config)),
        run_id="run-1",
        by_version=True,
    )


def run_version(pipeline: PipelineBuilder, *, rows: int) -> None:
    """Land a version of one name and read it."""
    pipeline.land("a.json", rows=rows)
    discover(pipeline)
    pipeline.run_batch()


def test_versions_of_a_name_are_no_duplicates(versioned: PipelineBuilder) -> None:
    """Each was read whole: the table has the rows of all."""
    for rows in (2, 3, 1):
        run_version(versioned, rows=rows)
    archive_history(versioned.config)
    assert codes(versioned) == []


@pytest.mark.parametrize("archived", [False, True])
def test_rows_of_versions_are_compared_with_their_sum(
    versioned: PipelineBuilder, archived: bool
) -> None:
    """A version that came twice, or whose rows were deleted, still shows."""
    for rows in (2, 3):
        run_version(versioned, rows=rows)
    if archived:
        archive_history(versioned.config)
    table(versioned).delete("order_id = 'a.json-2'")
    (found,) = findings(versioned)
    assert "1 rows of 1 files" in found.evidence
    versioned.write_rows([f"{versioned.config.landing_location}/a.json"])
    assert [code for code, _ in codes(versioned)] == ["ROWS_DUPLICATED"]


def test_replaced_version_is_reported_and_has_no_rows(
    versioned: PipelineBuilder,
) -> None:
    """Its content is gone; that it was there is worth knowing."""
    versioned.land("a.json", rows=2)
    discover(versioned)
    path = versioned.ledger.files()[0].path
    now, kind = datetime.now(UTC), LeftOut.REPLACED
    record = QuarantinedFile(1, path, "had 9 bytes", "run-1", now, kind)
    versioned.ledger.quarantine(record)
    assert ("FILE_REPLACED", Severity.INFO) in codes(versioned)
    versioned.land("a.json", rows=3)
    discover(versioned)
    versioned.run_batch(written=False, committed=False)
    versioned.write_rows([path], batch_id=0)
    versioned.bronze.commit(0)
    (found,) = findings(versioned)
    assert (found.code, found.severity) == ("FILE_REPLACED", Severity.INFO)
    assert found.evidence == "seq 1: had 9 bytes"


def test_version_that_is_not_discovered_yet_is_no_change(
    versioned: PipelineBuilder,
) -> None:
    """Its own row comes with the next discovery."""
    run_version(versioned, rows=2)
    versioned.land("a.json", rows=5)
    assert codes(versioned) == []


def test_record_that_came_too_late_is_no_finding(pipeline: PipelineBuilder) -> None:
    """Of two drivers one had read the file, and its rows are in the table."""
    path = pipeline.ledger.files()[0].path
    record = QuarantinedFile(1, path, "changed", "run-1", datetime.now(UTC))
    pipeline.ledger.quarantine(record)
    assert codes(pipeline) == []


@pytest.mark.parametrize(("limit", "found"), [("1 day", 0), ("1 hour", 1)])
def test_data_that_are_too_old_are_found(
    tmp_path: Path, limit: str, found: int
) -> None:
    """The newest loaded file is two hours old; one that waits is new."""
    config = pipeline_config(tmp_path, bronze={"freshness": limit})
    pipeline = PipelineBuilder(config)
    two_hours_ago = datetime.now(UTC).timestamp() - 7200
    os.utime(pipeline.land("old.json"), (two_hours_ago, two_hours_ago))
    pipeline.run_batch()
    pipeline.land("waits.json")
    pipeline.discover()
    findings = check_facts(gather_facts(config))

    assert [each.code for each in findings].count("DATA_STALE") == found


@pytest.mark.parametrize(("drift", "found"), [(None, 0), ({}, 1), ({"at_least": 0}, 0)])
def test_an_hour_of_few_rows_drifts(
    tmp_path: Path, drift: dict[str, object] | None, found: int
) -> None:
    """Each of five hours before the newest full one has three; that one has one."""
    config = pipeline_config(tmp_path, bronze={"drift": drift})
    pipeline = PipelineBuilder(config)
    for hour in range(1, 7):
        before = datetime.now(UTC).timestamp() - hour * 3600
        path = pipeline.land(f"{hour}.json", rows=1 if hour == 1 else 3)
        os.utime(path, (before, before))
    pipeline.run_batch()
    findings = check_facts(gather_facts(config))

    assert [each.code for each in findings].count("ROWS_DRIFTED") == found
