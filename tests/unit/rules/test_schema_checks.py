"""What kept schemas and a table do not share, from facts that are made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sluice.pipeline import LandedFiles, Query
from sluice.rules.facts import AuditedQuery, AuditFacts, RescuedField, SchemaFacts
from sluice.rules.schema_checks import check_schema

WHOLE = SchemaFacts(
    newest=2,
    fields=("id", "s", "s.a"),
    ever=frozenset({"id", "s", "s.a", "tip"}),
    table=("id", "s", "s.a", "tip"),
)
RESCUED = (RescuedField("s.a", 2, ("/in/a", "/in/b")),)


def facts(schema: SchemaFacts | None, damage: str | None = None) -> AuditFacts:
    """Return the facts of a pipeline with that schema."""
    query = Query("bronze", "/checkpoint", "/bronze", LandedFiles("/schemas"))
    return AuditFacts(
        pipeline="orders",
        landing_location="/in",
        landing={},
        ledger=None,
        bronze=AuditedQuery(query=query),
        table_rows={},
        schema=schema,
        schema_damage=damage,
    )


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, None),
        ({"table": ("ID", "S", "S.A", "Tip")}, None),
        (
            {"fields": ("id", "s", "s.a", "s.b"), "ever": WHOLE.ever | {"s.b"}},
            ("SCHEMA_UNUSED", "schema version 2", "['s.b']", "sluice run orders"),
        ),
        (
            {"table": (*WHOLE.table, "theirs")},
            ("COLUMN_UNKNOWN", "bronze", "['theirs']", "sluice schema orders"),
        ),
        (
            {"undone": {"tip": 3}},
            ("UNDO_UNFINISHED", "2", "'tip' in 3 rows", "orders undo --to 2"),
        ),
        (
            {"rescued": RESCUED},
            ("RESCUED_READABLE", "s.a", "2 files or more", "sluice replay orders"),
        ),
    ],
)
def test_what_does_not_fit_is_found(
    changed: dict[str, object], found: tuple[str, str, str, str] | None
) -> None:
    """Each is worth knowing, and none is wrong: nothing is lost."""
    findings = list(check_schema(facts(replace(WHOLE, **changed))))

    assert [(each.code, each.severity) for each in findings] == (
        [(found[0], "info")] if found else []
    )
    for each in findings:
        assert found is not None
        assert each.subject == found[1]
        assert found[2] in each.evidence
        assert found[3] in each.remedy


def test_pipeline_without_a_kept_schema_has_no_finding() -> None:
    """It declares its schema, or has no table yet."""
    assert list(check_schema(facts(None))) == []


def test_version_that_cannot_be_read_is_found() -> None:
    """No run can start with it."""
    (found,) = check_schema(facts(None, "version 2 cannot be read"))

    assert (found.code, found.severity) == ("SCHEMA_UNREADABLE", "error")
    assert found.evidence == "version 2 cannot be read"
