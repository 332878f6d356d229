"""A pipeline file computes over columns: it runs no code and reads no other table."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.config import load_pipeline
from sluice.config.aggregates import require_streaming
from sluice.errors import UsageError

HARMFUL = [
    "reflect('java.lang.System','getenv','AIRFLOW__API_AUTH__JWT_SECRET')",
    "max(`reflect`('java.lang.System', 'getenv', 'X'))",
    "max(system.builtin.REFLECT('java.lang.System', 'getenv', 'X'))",
    "max(`system`.`builtin`.`java_method`('a', 'b'))",
    "max(transform(array(1), x -> try_reflect('a', 'b')))",
    "max(x) FILTER (WHERE reflect('a', 'b') = '')",
    "(SELECT max(value) FROM text.`/etc/passwd`)",
    "max(x IN (SELECT value FROM text.`/etc/passwd`))",
    "exists(SELECT 1 FROM json.`/lake`)",
    "max(x) FROM text.`/etc/passwd`",
    "max(x); DROP TABLE orders",
    "max(x) AS y FROM ((( reflect",
]
HARMLESS = [
    "count(*)",
    "sum(price) FILTER (WHERE ok)",
    "approx_count_distinct(name)",
    "max_by(struct(a, b), `select`)",
    "percentile_approx(price, array(0.5, 0.9))",
    "sum(CASE WHEN reflected THEN 1 ELSE 0 END)",
    "collect_set('SELECT reflect FROM t')",
]


@pytest.mark.parametrize("sql", HARMFUL)
@pytest.mark.parametrize("key", ["aggregates", "where", "expect"])
def test_expression_that_is_code_is_refused(tmp_path: Path, sql: str, key: str) -> None:
    """When it is loaded, with file and line, before a driver could run it."""
    texts = {"aggregates": "count(*)", "where": "true", "expect": "true"} | {key: sql}
    file = tmp_path / "p.yaml"
    file.write_text(f"""name: p
bronze:
  expectations:
    good: {{expect: "{texts["expect"]}"}}
silver:
  - name: s
    event_time: {{column: at}}
    where: "{texts["where"]}"
    aggregates:
      total: "{texts["aggregates"]}"
""")
    line = {"aggregates": 10, "where": 8, "expect": 4}[key]

    with pytest.raises(UsageError) as caught:
        load_pipeline(str(file))

    assert f"{file}:{line}: " in caught.value.message
    assert caught.value.exit_code == 64


@pytest.mark.parametrize("sql", HARMLESS)
def test_other_expressions_are_taken(sql: str) -> None:
    """Names and texts are no calls."""
    assert require_streaming(sql) == sql
