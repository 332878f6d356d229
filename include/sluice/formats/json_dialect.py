"""What the JSON of files looks like, and what becomes of its records."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from sluice.formats.json_leniency import SPARKS, Leniency
from sluice.formats.moments import DEFAULTS, Formats
from sluice.formats.names import recased

_Text = msgspec.Raw | bytes


@dataclass(frozen=True)
class Dialect:
    """What JSON and the text of its values look like.

    - ``rounds``: whether a decimal does with what has more digits;
    - ``variant_column``: the one whose value is a whole record, where there is one.
    """

    formats: Formats = DEFAULTS
    leniency: Leniency = SPARKS
    ignores_case: bool = False
    rounds: bool = True
    variant_column: str | None = None

    def named(
        self, fields: Mapping[str, _Text], known: Collection[str]
    ) -> Mapping[str, _Text]:
        """Return fields by the names that columns have."""
        if not self.ignores_case:
            return fields
        return dict(zip(recased(fields, known), fields.values(), strict=True))


PLAIN = Dialect()
