"""A name that no table can hold keeps no other file from its table."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from sluice.audit.gather import gather_facts
from sluice.discovery.listing import list_landed
from sluice.discovery.run import discover
from sluice.errors import FatalError
from sluice.ledger.ledger import Ledger
from sluice.model import DataRisk
from sluice.options.configured import source_options
from sluice.options.options import CloudFilesOptions
from sluice.rules.checks import check_facts
from support.builders import PipelineBuilder, pipeline_config


@pytest.fixture
def landing(tmp_path: Path) -> bytes:
    """Return a folder with a good file, and names that are not UTF-8."""
    folder = os.fsencode(tmp_path) + b"/landing"
    for path in (b"a.json", b"\xff.json", b"d\xff/b.json", b"d/\xfe.json"):
        place = Path(os.fsdecode(folder + b"/" + path))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("{}")
    return folder


@pytest.mark.parametrize(
    "wanted", [{"bad_files": "quarantine"}, {"ignore_corrupt": True}]
)
def test_other_files_are_discovered(
    landing: bytes,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    wanted: dict[str, object],
) -> None:
    """With a warning that counts those that were passed over, folder by folder."""
    options = CloudFilesOptions(
        path=os.fsdecode(landing), schema_location=str(tmp_path / "s"), **wanted
    )
    ledger = Ledger.open_or_create(options.schema_location)

    with caplog.at_level(logging.WARNING):
        discover(ledger, options, run_id="r")

    assert [file.path for file in ledger.files()] == [f"{options.path}/a.json"]
    passed = [each for each in caplog.messages if "not UTF-8" in each]
    assert [each.partition(" files")[0] for each in passed] == ["landing folder: 1"] * 3


def test_pipelines_policy_counts_before_its_session(tmp_path: Path) -> None:
    """Preflight lists by the policy that the stream has."""
    config = pipeline_config(tmp_path)
    policy = {"bad_files": "fail"}
    strict = config.model_copy(
        update={"bronze": config.bronze.model_copy(update=policy)}
    )

    assert source_options(config).ignores_corrupt
    assert not source_options(strict).ignores_corrupt


def test_source_that_keeps_all_names_them(landing: bytes) -> None:
    """As before: the error says which one and how to go on without it."""
    options = CloudFilesOptions(path=os.fsdecode(landing), schema_location="/s")

    with pytest.raises(FatalError, match="'quarantine' to pass over"):
        list_landed(options)


def test_audit_names_them(tmp_path: Path) -> None:
    """They are in no ledger and no table, and that is said once of each."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    pipeline.land("a.json")
    odd = Path(pipeline.config.landing_location, os.fsdecode(b"\xff.json"))
    odd.write_text("{}")
    pipeline.discover()
    pipeline.run_batch()

    found = check_facts(gather_facts(pipeline.config))

    assert [(each.code, each.subject) for each in found] == [
        ("NAME_NOT_UTF8", str(odd))
    ]
    assert found[0].data_risk is DataRisk.LOST
