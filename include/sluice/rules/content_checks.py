"""Checks of what files held: where most is rescued an option does not fit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from sluice.columns import CORRUPT_RECORD, FILE_PATH
from sluice.model import Finding
from sluice.rules.facts import AuditFacts, MostlyRescued
from sluice.rules.findings import Code
from sluice.rules.found import finding

_SHOWN_CHARACTERS = 120
# How bytes that are not of the encoding are shown.
_UNDECODED = re.compile(r"\\x[89a-f]|\ufffd|\0")
_SEPARATORS = {";": "';'", "\t": r"'\t'", "|": "'|'", ",": "','"}
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")


def check_contents(facts: AuditFacts) -> Iterator[Finding]:
    """Yield one finding for each option that files most likely lack."""
    causes = [(likely_option(each), each) for each in facts.mostly_rescued]
    named = sorted(
        ((option, each) for option, each in causes if option is not None),
        key=lambda pair: (pair[0], pair[1].path),
    )
    for option, group in groupby(named, key=lambda pair: pair[0]):
        files = [each for _, each in group]
        first = files[0]
        evidence = (
            f"most rows of {len(files)} files are rescued, as of {first.path!r} "
            f"{first.rescued} of {first.rows}: {first.texts[0][:_SHOWN_CHARACTERS]}; "
            f"most likely {option}"
        )
        yield finding(Code.RECORDS_CORRUPT, facts.pipeline, first.path, evidence)


def likely_option(file: MostlyRescued) -> str | None:
    """Return the option that would read a file, None where its fields are just new."""
    rescued = list(map(_fields, file.texts))
    corrupt = [str(each[CORRUPT_RECORD]) for each in rescued if CORRUPT_RECORD in each]
    if len(corrupt) * 2 > len(rescued):
        return _of_corrupt(file.format, corrupt)
    if file.format != "csv":
        return None
    names = [name for each in rescued for name in each if name != FILE_PATH]
    return _of_names(names)


def _fields(text: str) -> Mapping[str, object]:
    """Return what a row has rescued; nothing where another writer wrote the text."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _of_corrupt(source_format: str, records: Sequence[str]) -> str:
    if all(map(_UNDECODED.search, records)):
        return "option 'encoding' is another"
    if source_format == "json" and any(map(_is_part, records)):
        return "option 'multiLine' is to be true: a record has more than one line"
    return "cloudFiles.format is another"


def _is_part(record: str) -> bool:
    """Return True if a line may be a part of a JSON document."""
    return record.startswith(("{", "[", "}", "]", '"')) or record.endswith(",")


def _of_names(names: Sequence[str]) -> str | None:
    for separator, spelled in _SEPARATORS.items():
        if names and all(separator in name for name in names):
            return f"option 'sep' is {spelled}"
    if any(map(_UNDECODED.search, names)):
        return "option 'encoding' is another"
    if any(map(_NUMBER.fullmatch, names)):
        return "option 'header' is to be false: the first line is a record"
    return None
