"""What the audit of the lock says: nothing found is not the same as nothing asked."""

from __future__ import annotations

import json

import pytest

from audit_lock import FOUND, UNREACHABLE, judge

_FINE = {"name": "a", "version": "1", "vulns": []}
_SKIPPED = {"name": "b", "skip_reason": "not found"}
_WEAK = {
    "name": "c",
    "version": "2",
    "vulns": [
        {"id": "PYSEC-1", "fix_versions": ["2.1"]},
        {"id": "X", "fix_versions": []},
    ],
}


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([_FINE], 0, "1 of 1 packages were audited, no weakness"),
        ([_FINE, _SKIPPED], UNREACHABLE, "1 of 2 packages were audited, no data"),
        ([_SKIPPED, _WEAK], FOUND, "c 2: PYSEC-1, mended in 2.1\nc 2: X, mended in no"),
        ([], UNREACHABLE, "0 of 0"),
    ],
)
def test_report_is_judged(
    packages: list[dict[str, object]], code: int, words: str
) -> None:
    """A package that could not be asked about is no package without a weakness."""
    found, text = judge(json.dumps({"dependencies": packages, "fixes": []}), "")

    assert found == code
    assert words in text


def test_no_report_says_why() -> None:
    """Where nothing answers at all there is none."""
    assert judge("", "WARNING\nConnectionError: no route\n") == (
        UNREACHABLE,
        "nothing was audited: ConnectionError: no route",
    )
