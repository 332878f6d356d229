"""A file on which its reader fails, however it does, keeps no other from the table."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from sluice.audit.counting import COUNTERS
from sluice.audit.landing import read_landing
from sluice.errors import Condition
from sluice.formats.base import FileRange, Format, ParsedBlock
from sluice.formats.registry import FORMATS, format_class
from sluice.ledger.ledger import Ledger
from sluice.model import FileVersion
from sluice.options.options import CloudFilesOptions
from support.mutations import CASES
from support.reading import land, read, refusal, whole

ERRORS = [
    TypeError("bad operand"),
    KeyError("x"),
    RecursionError("maximum recursion depth exceeded"),
    MemoryError(),
    pa.ArrowNotImplementedError("no such type"),
]
# A list is none any more by its footer: asking where its column begins ended the
# process.
ABORTING = zlib.decompress(
    base64.b85decode(
        "c-l2j!3u&<5L`ETd97IS!6V*9DM+cn=-{P`5O|3GK;l7xsj1aZb?XP)qz*GI%*--#*d12{q)9Ib`4A"
        ")&0AP=v2NpBgGK;|z?dfc;IU&Sj&nh?}vV`T>_Uz))b}SJ3=nYL_uBPn#Y4(~pBX+nbl~e&JLg@>TTd"
        "U|3e<!iSP2Dtb_KIup8%X8>f=qvHSj50_Q<&*GZ*F(fg{Qg>^QNhu`eB;(Qk8nWiI&kys_%q1<G|}a7{"
        "(>X"
    )
)


def failing(given: Format, path: str, error: Exception) -> Format:
    """Return a format whose parser fails on one file."""

    class Failing(type(given)):
        def parse(self, part: FileRange, columns: pa.Schema) -> Iterator[ParsedBlock]:
            for block in super().parse(part, columns):
                yield block
                if part.path == path:
                    raise error

        def parse_together(self, *_: object, **__: object) -> None:
            raise error

    return Failing(
        **{name: getattr(given, name) for name in given.__dataclass_fields__}
    )


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("name", FORMATS)
def test_whatever_a_parser_raises(tmp_path: Path, name: str, error: Exception) -> None:
    """Its file is named with the reason and by policy recorded; others are read."""
    case = next(case for case in CASES.values() if case.format.name == name)
    files = [land(tmp_path, each, case.good[0]) for each in "abc"]
    files = [replace(file, seq=seq) for seq, file in enumerate(files, 1)]
    given, path = failing(case.format, files[1].path, error), files[1].path
    slices = [whole(file) for file in files]
    alone = read(slices[0], format=case.format, output=case.output)

    named = refusal(*slices, format=given, output=case.output)
    assert named.condition is Condition.BAD_FILE
    assert named.context["path"] == path
    word = "memory" if isinstance(error, MemoryError) else type(error).__name__
    assert word in named.context["reason"]

    ledger = Ledger.open_or_create(str(tmp_path / "schemas"))
    ledger.append_new([FileVersion(path, files[1].size, files[1].modified)], run_id="r")
    policy = {"ledger": ledger, "ignores_corrupt": True, "goes_on": True}
    rows = read(*slices, format=given, output=case.output, **policy)
    assert len(rows) == 2 * len(alone)
    assert [each.path for each in ledger.left_out().values()] == [path]


def test_damaged_footer_ends_no_process(tmp_path: Path) -> None:
    """So does a method of pyarrow that does not expect the error that it meets."""
    file = land(tmp_path, "a.parquet", ABORTING)
    given, output = format_class("parquet")(), pa.schema([("l", pa.int8())])

    assert len(read(whole(file), format=given, output=output)) == 1
    assert given.infer([file.path], max_bytes=9, typed=True).names == ["l"]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_audit_counts_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Whatever its own readers raise on a file."""
    good, bad = land(tmp_path, "a"), land(tmp_path, "b")
    count = COUNTERS["json"]

    def fail(path: str, options: object) -> int:
        if path == bad.path:
            raise error
        return count(path, options)

    monkeypatch.setitem(COUNTERS, "json", fail)

    options = CloudFilesOptions(path=str(tmp_path), schema_location="")
    landed = read_landing(options)

    assert landed[good.path].records == 100
    assert type(error).__name__ in landed[bad.path].error
