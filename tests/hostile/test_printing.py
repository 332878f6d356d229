"""What people read of files with hostile names, and what they paste from it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
import typer
from rich.console import Console

from sluice.audit.run import PAGE, require_passed, run_audit
from sluice.cli import app
from sluice.config import PipelineConfig, load_pipeline
from sluice.errors import FatalError
from sluice.model import StepSummary
from sluice.options.globs import path_filter
from sluice.orchestration.summary import print_summary
from support.builders import PipelineBuilder
from support.command_line import Sluice, command_line
from support.hostile_names import HOSTILE

# A name that no table can hold is passed over.
NAMES = [each for each in HOSTILE.values() if "\udc80" not in each]
COMMANDS = ["files", "audit", "batches", "resources", "plan"]
_LOOK = "import sys; print(*sys.argv[1:], sep='\\0', end='')"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a pipeline that has lost a row of each of them."""
    folder = tmp_path_factory.mktemp("printing")
    path = folder / "orders.yaml"
    path.write_text(f"name: orders\nlake: {folder}/lake\n")
    pipeline = PipelineBuilder(load_pipeline(str(path)))
    landed = [Path(pipeline.land(name)) for name in NAMES]
    pipeline.run_batch(written=False, committed=False)
    wholes = []
    for each in landed:
        lines, times = each.read_text(), each.stat()
        each.write_text(lines.partition("\n")[2])
        wholes.append((each, lines, times))
    pipeline.write_rows([str(each) for each in landed], batch_id=0)
    for each, lines, times in wholes:
        each.write_text(lines)
        os.utime(each, ns=(times.st_atime_ns, times.st_mtime_ns))
    pipeline.bronze.commit(0)
    return path


@pytest.fixture
def sluice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Sluice:
    """Return the command."""
    return command_line(capsys, monkeypatch)


def require_harmless(text: str) -> None:
    """Fail where a line holds what is no printable character, or is a name's own."""
    lines = text.split("\n")
    assert all(line.isprintable() for line in lines)
    assert not [line for line in lines if line.startswith(("verdict: ok", "ok"))]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_print_harmless_lines(
    sluice: Sluice, file: Path, command: str
) -> None:
    """Whatever a name holds; for programs the names are as they are, escaped."""
    _, out, err = sluice(command, str(file))
    require_harmless(out)
    require_harmless(err)

    _, out, _ = sluice(command, str(file), "--json")
    assert out.isascii()
    assert all(line.isprintable() for line in out.split("\n"))
    if command == "files":
        names = {each["path"].rpartition("/")[2] for each in json.loads(out)}
        assert names == set(NAMES)


def test_audit_prints_harmless_text(file: Path) -> None:
    """On its page, and in the error that ends a run."""
    config = load_pipeline(str(file))
    report = run_audit(config)
    page = Path(config.reports_location, PAGE).read_text()

    require_harmless(page)
    with pytest.raises(FatalError) as caught:
        require_passed(report)
    require_harmless(caught.value.message)
    assert {Path(each.subject).name for each in report.findings} >= set(NAMES)


def test_summary_is_harmless(file: Path) -> None:
    """A note of a step may name any file."""
    out = StringIO()
    notes = tuple(f"file {name} is odd" for name in HOSTILE.values())
    step = StepSummary(step="bronze", run_id="r", counts={}, notes=notes)

    print_summary(
        Console(file=out), load_pipeline(str(file)), [step], verdict="differs"
    )

    require_harmless(out.getvalue())


@pytest.mark.parametrize(
    "configure",
    [
        "from sluice.cli import main; sys.argv = ['sluice', '--version']; call(main)",
        "from sluice.job import job_parser, run_job; sys.argv = ['job', '--help'];"
        "call(lambda: run_job(job_parser(''), None))",
    ],
    ids=["command", "job"],
)
def test_logs_are_harmless(configure: str) -> None:
    """A record is a line, and so is each line of a stack."""
    script = (
        "import logging, sys\n"
        "def call(what):\n    try: what()\n    except SystemExit: pass\n"
        f"{configure}\n"
        f"for name in {list(HOSTILE.values())!a}:\n"
        "    logging.warning('%s', name)\n"
        "    try: raise ValueError(name.replace('\\n', ' '))\n"
        "    except ValueError: logging.exception('odd')\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True
    )

    logged = done.stderr.decode()
    require_harmless(logged)
    assert logged.count("WARNING") == len(HOSTILE)


def test_remedies_name_the_file_and_run_nothing_else(
    sluice: Sluice, file: Path, tmp_path: Path
) -> None:
    """A shell passes one pattern on, by which the command finds this file alone."""
    config = load_pipeline(str(file))
    _, out, _ = sluice("audit", str(file), "--json")
    findings = [
        each
        for each in json.loads(out)["findings"]
        if each["subject"].startswith(config.landing_location + "/")
    ]
    landed = [f"{config.landing_location}/{name}" for name in NAMES]
    assert {each["subject"] for each in findings} == set(landed)

    for each in findings:
        words = run_by_shell(each["remedy"], tmp_path)
        assert words == shlex.split(each["remedy"])[1:]
        assert words[:2] == ["replay", str(file)]
        (pattern,) = parsed(words)["files"]
        named = [path for path in landed if takes(pattern, config, path)]
        assert named == [each["subject"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin"]


def takes(pattern: str, config: PipelineConfig, path: str) -> bool:
    """Return True if the replay of ``pattern`` would read the file at ``path``."""
    return path_filter(pattern, config.landing_location)(path)


def run_by_shell(remedy: str, folder: Path) -> list[str]:
    """Paste a remedy into a shell whose ``sluice`` says what it was given."""
    command = folder / "bin" / "sluice"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{_LOOK}" "$@"\n')
    command.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", remedy],
        cwd=folder,
        env={"PATH": f"{command.parent}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split("\0")


def parsed(words: list[str]) -> dict[str, list[str]]:
    """Return what the real command line makes of the words."""
    command = typer.main.get_command(app)
    context = command.make_context("sluice", list(words))
    name, *rest = words
    return command.get_command(context, name).make_context(name, rest).params
