from __future__ import annotations

import pyarrow as pa
import pytest

from sluice.errors import Condition, UsageError
from sluice.formats.json_variants import VARIANT
from sluice.options.hints import parse_hints
from sluice.options.options import parse_options

INT, TEXT = pa.int32(), pa.string()


@pytest.mark.parametrize(
    ("text", "path", "kind"),
    [
        ("id BIGINT", ["id"], pa.int64()),
        ("`order id`: tinyint", ["order id"], pa.int8()),
        ("`a.b` smallint", ["a.b"], pa.int16()),
        ("user_info.`d ob` DATE", ["user_info", "d ob"], pa.date32()),
        ("date timestamp", ["date"], pa.timestamp("us", "UTC")),
        ("t timestamp_ntz", ["t"], pa.timestamp("us")),
        ("d decimal", ["d"], pa.decimal128(10, 0)),
        ("v variant", ["v"], VARIANT),
        ("d DEC(12)", ["d"], pa.decimal128(12, 0)),
        ("d numeric(38, 2)", ["d"], pa.decimal128(38, 2)),
        ("l.element.id int", ["l", "element", "id"], INT),
        ("x array<array<int>>", ["x"], pa.list_(pa.list_(INT))),
        (
            "map MAP<STRING, STRUCT<a: INT, `b c` DATE>>",
            ["map"],
            pa.map_(TEXT, pa.struct([("a", INT), ("b c", pa.date32())])),
        ),
    ],
)
def test_hint_is_a_name_and_a_type(
    text: str, path: list[str], kind: pa.DataType
) -> None:
    """Words are Spark's, in any case; what is nested is reached by dots."""
    one, other = parse_hints(f"{text}, other double")

    assert (list(one.path), one.kind) == (path, kind)
    assert (other.name, other.kind) == ("other", pa.float64())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "id",
        "id.",
        "id int long",
        "id int,, x int",
        "id int, x",
        "id; drop",
        "id int not null",
        "id int comment 'text'",
        "s struct<a: int not null>",
        "s struct<int>",
        "x array",
        "x array<int",
        "id int) x",
        "x int) y (z int",
        "x map<string>",
        "c varchar(3)",
        "i interval day",
        "d decimal(50, 2)",
        "id 'text",
    ],
)
def test_other_text_is_refused(text: str) -> None:
    """Nothing of a hint is ignored, and a type must be one that a file can have."""
    with pytest.raises(UsageError, match=r"cloudFiles\.schemaHints") as caught:
        parse_options(
            {
                "path": "/in",
                "cloudFiles.format": "json",
                "cloudFiles.schemaHints": text,
            }
        )

    assert caught.value.condition is Condition.OPTION_INVALID


def test_name_without_prefix_is_known() -> None:
    """Public code spells it so too."""
    options = parse_options(
        {"path": "/in", "cloudFiles.format": "json", "schemaHints": "id int"}
    )

    assert [hint.name for hint in options.schema_hints] == ["id"]
