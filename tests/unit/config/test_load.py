from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from sluice.config import list_pipelines, load_pipeline
from sluice.config.load import PIPELINES_FOLDER
from sluice.errors import Condition, UsageError

SILVER = """\
silver:
  - name: windows
    event_time: {column: at}
    aggregates: {rows: count(*)}
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of this machine out."""
    monkeypatch.delenv("SLUICE_LAKE", raising=False)
    monkeypatch.delenv("SLUICE_PIPELINES", raising=False)


def refusal(tmp_path: Path, text: str) -> UsageError:
    """Return the error with which a pipeline file of this text is refused."""
    path = tmp_path / "orders.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_pipeline(str(path))
    return caught.value


def load(tmp_path: Path, text: str):
    """Load a pipeline file of this text."""
    path = tmp_path / "orders.yaml"
    path.write_text(text, encoding="utf-8")
    return load_pipeline(str(path))


@pytest.mark.parametrize(
    ("text", "line", "key", "nearest"),
    [
        ("name: orders\nscedule: null\n", 2, "scedule", "did you mean 'schedule'?"),
        ("name: o\nbronze:\n  tabel: x\n", 3, "bronze.tabel", "did you mean 'table'?"),
        (
            "name: o\nbronze:\n  source:\n    shema: a int\n",
            4,
            "bronze.source.shema",
            "did you mean 'schema'?",
        ),
        (
            f"name: o\n{SILVER}    watermrk: 1 day\n",
            6,
            "silver.0.watermrk",
            "did you mean 'watermark'?",
        ),
        (
            f"name: o\n{SILVER}    window: {{typ: tumbling}}\n",
            6,
            "silver.0.window.typ",
            "did you mean 'type'?",
        ),
        ("name: o\nxyzzy: 1\n", 2, "xyzzy", "known keys here are"),
    ],
)
def test_unknown_key_names_line_and_nearest(
    tmp_path: Path, text: str, line: int, key: str, nearest: str
) -> None:
    """A slip of the pen is refused where it was made, with the right key."""
    error = refusal(tmp_path, text)

    assert error.condition is Condition.CONFIG_UNKNOWN_KEY
    assert error.context["keys"] == [key]
    assert f"orders.yaml:{line}: " in error.message
    assert nearest in error.message


def test_key_that_does_nothing_yet_is_refused(tmp_path: Path) -> None:
    """What is in the file and nothing acts on would be relied on."""
    error = refusal(tmp_path, "name: o\nalerts: {}\n")

    assert error.exit_code == 64
    assert error.context["keys"] == ["alerts"]
    assert "orders.yaml:2: key 'alerts' is not built yet; remove it" in error.message


RULES = "name: o\nbronze:\n  expectations:\n"


@pytest.mark.parametrize(
    ("rule", "key", "says"),
    [
        ("a: {expect: 'b >'}", "a.expect", "expected one SQL expression"),
        ("a: {expect: 'rand() > b'}", "a.expect", "another value each time"),
        ("a: {expect: b, on_violation: drop}", "a.on_violation", "'warn'"),
        ("a: {}", "a.expect", "Field required"),
        ("A b: {expect: b}", "A b.[key]", "should match pattern"),
    ],
)
def test_rule_that_cannot_be_kept_is_refused(
    tmp_path: Path, rule: str, key: str, says: str
) -> None:
    """With file and line, before anything runs."""
    error = refusal(tmp_path, f"{RULES}    {rule}\n")

    assert error.exit_code == 64
    assert error.context["keys"] == [f"bronze.expectations.{key}"]
    assert "orders.yaml:4: " in error.message
    assert says in error.message


def test_unknown_key_of_a_rule_names_the_nearest(tmp_path: Path) -> None:
    """The rule's own name is any."""
    error = refusal(tmp_path, f"{RULES}    a: {{expect: b, on_violatoin: warn}}\n")

    assert error.context["keys"] == ["bronze.expectations.a.on_violatoin"]
    assert "did you mean 'on_violation'?" in error.message


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    """One error at a time would take a run for each."""
    error = refusal(tmp_path, "name: Orders\nbronze:\n  bad_files: ignore\naudt: {}\n")

    assert error.context["keys"] == ["name", "bronze.bad_files", "audt"]
    assert [f":{line}: " in error.message for line in (1, 3, 4)] == [True] * 3


def test_key_given_twice_is_refused(tmp_path: Path) -> None:
    """YAML would silently take the last, whichever the writer meant."""
    error = refusal(tmp_path, "name: a\nbronze:\n  table: x\n  table: y\n")

    assert error.condition is Condition.CONFIG_INVALID
    assert error.context == {"line": 4}
    assert "'table' is given twice" in error.message


def test_bad_duration_names_key_and_value(tmp_path: Path) -> None:
    """The message holds all that is needed to mend it."""
    error = refusal(tmp_path, f"name: o\n{SILVER}    watermark: 10 mins ago\n")

    assert error.condition is Condition.CONFIG_INVALID
    assert error.context["keys"] == ["silver.0.watermark"]
    assert "orders.yaml:6: " in error.message
    assert "got '10 mins ago'" in error.message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n",
        "just text\n",
        "name: [\n",
        "name: o\nbronze:\n",
        "name: o\nbronze: {source: {options: }}\n",
        "name: o\nbronze: {source: {options: [a]}}\n",
        "name: o\n1: x\n",
        "bronze: {}\n",
    ],
)
def test_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    """Whatever is in the file, the user gets a sentence with its name, no traceback."""
    error = refusal(tmp_path, text)

    assert error.condition in {Condition.CONFIG_INVALID, Condition.CONFIG_UNKNOWN_KEY}
    assert "orders.yaml" in error.message


def test_missing_pipeline_names_the_known_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong name is answered with the right ones."""
    (tmp_path / "sales.yaml").write_text("name: sales\n")
    monkeypatch.setenv("SLUICE_PIPELINES", str(tmp_path))

    with pytest.raises(UsageError) as caught:
        load_pipeline("sale")

    assert caught.value.condition is Condition.CONFIG_NOT_FOUND
    assert caught.value.context == {"known": ["sales"]}


def test_lake_comes_from_file_then_environment_then_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearer the user said it, the more it counts."""
    monkeypatch.chdir(tmp_path)
    assert load(tmp_path, "name: o").bronze_location == f"{tmp_path}/lake/bronze/o"
    monkeypatch.setenv("SLUICE_LAKE", "/env")
    assert load(tmp_path, "name: o\nlake: null").bronze_location == "/env/bronze/o"
    assert load(tmp_path, "name: o\nlake: /file").bronze_location == "/file/bronze/o"


def test_shipped_pipeline_loads_by_name() -> None:
    """The example that users copy is right."""
    assert load_pipeline("orders").name == "orders"
    assert PIPELINES_FOLDER / "orders.yaml" in list_pipelines()


def test_commands_find_a_pipeline_by_its_name_or_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A remedy that names a command is called as it stands, in whatever folder."""
    (tmp_path / "named").mkdir()
    (tmp_path / "my files").mkdir()
    monkeypatch.setenv("SLUICE_PIPELINES", str(tmp_path / "named"))
    monkeypatch.chdir(tmp_path)
    for place in ("named/orders.yaml", "named/other.yaml", "my files/orders.yaml"):
        Path(place).write_text("name: rows", encoding="utf-8")

    assert load_pipeline("orders").called == "orders"
    assert load_pipeline("named/other.yaml").called == "other"
    outside = load_pipeline("my files/orders.yaml").called
    (given,) = shlex.split(outside)
    monkeypatch.chdir("/")
    assert load_pipeline(given).called == outside != given
