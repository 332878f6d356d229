"""``sluice init`` writes a pipeline file that `sluice plan` takes as it is."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from sluice.config import load_pipeline
from sluice.draft.write import write_draft
from sluice.errors import UsageError
from sluice.preflight.plan import plan_run
from support.command_line import command_line
from support.tree import contents


@pytest.fixture
def landing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty landing folder, beside an empty folder of pipeline files."""
    for name in ("pipelines", "landing"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("SLUICE_PIPELINES", str(tmp_path / "pipelines"))
    monkeypatch.setenv("SLUICE_LAKE", str(tmp_path / "lake"))
    return tmp_path / "landing"


def test_file_says_what_the_folder_holds(landing: Path) -> None:
    """Format, dialect and columns; the key and the time of events are for people."""
    lines = "id;at\n1;2026-01-01\n2;2026-01-02\n"
    (landing / "a.csv.gz").write_bytes(gzip.compress(lines.encode()))
    (landing / "README.md").write_text("what this is\n")
    before = contents(landing.parent)

    file = write_draft("payments", str(landing))

    text = file.read_text()
    assert yaml.safe_load(text)["bronze"]["source"] == {
        "path": str(landing),
        "format": "csv",
        "options": {
            "sep": ";",
            "header": "true",
            "pathGlobFilter": "*.csv.gz",
            "cloudFiles.inferColumnTypes": "true",
        },
    }
    assert '# schema: "`id` int, `at` date"' in text
    assert '# unique_key: ["id"]' in text
    assert '#     event_time: {column: "at"}' in text
    assert len(plan_run(load_pipeline("payments")).waiting) == 1
    assert contents(landing.parent) == before | {file: text.encode()}


@pytest.mark.parametrize(
    ("name", "format_name"),
    [("1.jsonl", "json"), ("1", "json"), ("1.parquet", "parquet")],
)
def test_records_of_each_format_are_sampled(
    landing: Path, name: str, format_name: str
) -> None:
    """The name or, where it says nothing, the content says the format."""
    records = [{"id": "a", "at": "2026-01-01 10:00:00"}, {"id": "b", "at": None}]
    if format_name == "parquet":
        pq.write_table(pa.Table.from_pylist(records), landing / name)
    else:
        (landing / name).write_text(
            "".join(f"{json.dumps(each)}\n" for each in records)
        )

    text = write_draft("payments", str(landing)).read_text()

    assert yaml.safe_load(text)["bronze"]["source"]["format"] == format_name
    assert '# unique_key: ["id"]' in text
    assert 'event_time: {column: "at", format: "yyyy-MM-dd HH:mm:ss"}' in text


def test_hidden_text_stays_text(landing: Path) -> None:
    """Those who drop files must not write keys of the pipeline file."""
    field = "x\nlake: /elsewhere\n"
    (landing / "1.json").write_text(json.dumps({field: 1, "id": 2}) + "\n")

    file = write_draft("payments", str(landing))

    assert yaml.safe_load(file.read_text()).keys() == {"name", "bronze"}


def test_path_and_names_of_any_script_are_read_back(
    landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word of YAML may be a pipeline's name, and its folder of files may be new."""
    folder = landing / "in\U0001f600\x85 '\"#"
    folder.mkdir()
    record = {"\u2028x\U0001f600": 1, "s": {"a-b": [{"c d": 1}]}}
    (folder / "1.json").write_text(json.dumps(record) + "\n")
    monkeypatch.setenv("SLUICE_PIPELINES", str(landing.parent / "new" / "pipelines"))

    text = write_draft("no", str(folder)).read_text()

    assert load_pipeline("no").landing_location == str(folder)
    (ddl,) = [line for line in text.splitlines() if "# schema: " in line]
    assert yaml.safe_load(ddl.replace("# ", ""))["schema"] == (
        "`s` struct<`a-b`: array<struct<`c d`: bigint>>>, `\u2028x\U0001f600` bigint"
    )


def test_pipeline_file_is_never_overwritten(landing: Path) -> None:
    """The one that is there may be at work."""
    (landing / "1.json").write_text('{"id": 1}\n')
    file = write_draft("payments", str(landing))
    file.write_text("mine")

    with pytest.raises(UsageError, match="is there already"):
        write_draft("payments", str(landing))
    assert file.read_text() == "mine"


def test_wrong_call_says_what_to_do(
    landing: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty folder and a wrong name are refused, and nothing is written."""
    sluice = command_line(capsys, monkeypatch)

    code, _, err = sluice("init", "payments", str(landing))
    assert (code, "land a file first" in err) == (64, True)
    (landing / "1.json").write_text('{"id": 1}\n')
    code, _, err = sluice("init", "Pay-ments", str(landing))
    assert (code, "small letters" in err) == (64, True)
    code, out, _ = sluice("init", "payments", str(landing))
    assert (code, "sluice plan payments" in out) == (0, True)
