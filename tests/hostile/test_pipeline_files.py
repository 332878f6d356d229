"""A pipeline file, whatever is in it, is one file's error and never another's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import gettempdir

import pytest

from sluice.config import load_pipeline
from sluice.errors import UsageError
from support.users import as_another_user

_BOMB = "\n".join(
    ["a0: &a0 [x]", *(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]" for n in range(1, 20))]
)

WRONG = {
    "alias": ("lake: &a x\nschedule: *a", r":3: alias '\*a' is not taken"),
    "alias of itself": ("alerts: &a {x: *a}", r":2: alias '\*a'"),
    "aliases of aliases": (_BOMB, r":3: alias '\*a0'"),
    "nested lists": ("alerts: " + "[" * 100_000, ":2: .*nested too deeply"),
    "nested keys": ("alerts: " + "{a: " * 60_000, ":2: .*nested too deeply"),
    "keys in lines": (
        "".join(f"{' ' * n}a:\n" for n in range(700)),
        ":34: .*nested too deeply",
    ),
    "nothing as a number": ("alerts: !!int ''", ":2: tag '!!int' is not taken"),
    "a word as a bool": ("alerts: !!bool maybe", "tag '!!bool'"),
    "a word as a time": ("alerts: !!timestamp x", "tag '!!timestamp'"),
    "code": ("alerts: !!python/object/apply:os.getcwd []", "tag '!!python/"),
    "an expression": (
        f"bronze: {{expectations: {{a: {{expect: '{'(' * 500}x > 1{')' * 500}'}}}}}}",
        "expected one SQL expression: it is nested too deeply",
    ),
    "digits": ("alerts: " + "9" * 5_000, "not valid YAML"),
    "base 60": ("alerts: " + "1:" * 400 + "1.5", "not valid YAML"),
    "a date that is none": ("alerts: 2025-02-31", "not valid YAML"),
    "much text": ("#" * (256 << 10), "at most 262,144 bytes"),
    "many keys": ("\n".join(f"k{n}: 1" for n in range(20_000)), "unknown key 'k0'"),
    "no text": ("\0", "not valid YAML"),
    "a number as a key": ("1: 2", "1"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_error_is_of_the_file_and_comes_soon(
    tmp_path: Path, text: str, message: str
) -> None:
    """Whatever a YAML parser does with it; others are loaded by the same process."""
    path = tmp_path / "orders.yaml"
    path.write_text(f"name: orders\n{text}\n")
    begun = time.process_time()

    with pytest.raises(
        UsageError, match=f"^.{{0,30}}{re.escape(str(path))}.*{message}"
    ):
        load_pipeline(str(path))

    assert time.process_time() - begun < 10


def test_file_at_the_limits_is_taken(tmp_path: Path) -> None:
    """As many bytes as may be; one more is refused above."""
    path = tmp_path / "orders.yaml"
    begin = "name: orders\n#"
    path.write_text(begin + "x" * ((256 << 10) - len(begin)))

    assert load_pipeline(str(path)).name == "orders"


def test_file_that_may_not_be_read(tmp_path: Path) -> None:
    """It is named like any other that is wrong."""
    path = tmp_path / "orders.yaml"
    path.write_text("name: orders")
    for folder in path.relative_to(gettempdir()).parents[:-1]:
        Path(gettempdir(), folder).chmod(0o755)
    path.chmod(0)

    with as_another_user(), pytest.raises(UsageError, match=f"{path}: cannot be read"):
        load_pipeline(str(path))


def test_other_dags_stay(tmp_path: Path) -> None:
    """In Airflow's own process, where each exception drops every DAG of the file."""
    folder = tmp_path / "pipelines"
    folder.mkdir()
    for number, (text, _) in enumerate(WRONG.values()):
        (folder / f"p{number}.yaml").write_text(f"name: p{number}\n{text}\n")
    (folder / "good.yaml").write_text("name: good")
    script = (
        "from sluice.orchestration.dag import load_dags, require_pipelines\n"
        "print(list(load_dags()))\n"
        "try:\n    require_pipelines()\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error.context['errors'])\n"
    )
    settings = {"SLUICE_PIPELINES": str(folder), "AIRFLOW_HOME": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert done.stdout.splitlines()[-2:] == ["['good']", f"UsageError {len(WRONG)}"]
