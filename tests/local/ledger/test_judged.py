"""The rules by which micro-batches were judged, kept until they are committed."""

from __future__ import annotations

from pathlib import Path

from sluice.ledger.judged import JudgedBy, forget_judged, judge_by

RULES = JudgedBy(rules={"positive": ("amount >= 0", "quarantine")})


def test_rules_of_batches_that_are_done_are_removed(tmp_path: Path) -> None:
    """Those of the query only, by number; doing it again changes nothing."""
    root = str(tmp_path)
    forget_judged(root, "a-b", below=1)
    for batch in ("a-b-9", "a-b-10", "a-b-11", "a-c-9", "b-9"):
        judge_by(root, batch, RULES)

    forget_judged(root, "a-b", below=10)
    forget_judged(root, "a-b", below=10)

    kept = {each.stem for each in (tmp_path / "judged").iterdir()}
    assert kept == {"a-b-10", "a-b-11", "a-c-9", "b-9"}
