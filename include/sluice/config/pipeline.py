"""What a pipeline file may say: one frozen model per block, unknown keys refused."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from sluice.columns import PROCESSING_DATE, RESCUED_DATA
from sluice.config.block import Block, Duration, Name
from sluice.config.current import CurrentConfig
from sluice.config.expectation import ROWS_OF_KEY, UNIQUE_KEY, Expectation
from sluice.config.silver import SilverConfig
from sluice.formats.registry import FORMATS, name_formats, spell_format
from sluice.paths import join, normalize, normalize_tables
from sluice.pipeline import LandedFiles, Query, TableRows
from sluice.times import parse_duration


def _require_format(name: str) -> str:
    spelled = spell_format(name)
    if spelled is None:
        message = f"expected a format that is built, {name_formats()}"
        raise ValueError(message)
    return spelled


class SourceConfig(Block):
    """Where files land and how they are read; ``options`` have Auto Loader's names."""

    path: str | None = None
    format: Annotated[str, AfterValidator(_require_format)] = FORMATS[0]
    # ``schema`` would hide a method of pydantic's own
    ddl: str | None = Field(default=None, alias="schema")
    options: dict[str, str] = Field(default_factory=dict)

    @field_validator("options")
    @classmethod
    def _without_own(cls, options: dict[str, str]) -> dict[str, str]:
        given = [key for key in options if "rescueddatacolumn" in key.lower()]
        if given:
            message = f"bronze always calls it {RESCUED_DATA}; leave out {given}"
            raise ValueError(message)
        return options

    @field_validator("options", mode="before")
    @classmethod
    def _as_text(cls, options: object) -> object:
        if not isinstance(options, dict):
            return options  # refused by the field's own type
        return {key: _option_text(value) for key, value in options.items()}


def _option_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class Drift(Block):
    """How far the rows of an hour may be from those of the hours before it.

    ``at_least`` and ``at_most`` are parts of their median.
    """

    hours: Annotated[int, Field(ge=3)] = 24
    at_least: Annotated[float, Field(ge=0, le=1)] = 0.5
    at_most: Annotated[float, Field(ge=1)] = 2.0


class BronzeConfig(Block):
    """The bronze table: source, destination, and what to do with bad input."""

    source: SourceConfig = SourceConfig()
    table: str | None = None
    checkpoint: str | None = None
    partition_by: list[str] = Field(default=[PROCESSING_DATE])
    bad_files: Literal["fail", "quarantine"] = "quarantine"
    unique_key: list[str] = Field(default_factory=list)
    on_duplicate: Literal["warn", "quarantine", "fail"] | None = None
    expectations: dict[Name, Expectation] = Field(default_factory=dict)
    freshness: Duration | None = None
    drift: Drift | None = None

    @model_validator(mode="after")
    def _can_find_copies(self) -> Self:
        if self.on_duplicate is None:
            return self
        if not self.unique_key:
            message = "'on_duplicate' needs the columns of the key, in 'unique_key'"
            raise ValueError(message)
        if self.on_duplicate == "quarantine":
            message = (
                "'on_duplicate' has no quarantine: which rows are copies depends on "
                "what is read together, so a micro-batch that is repeated without a "
                "file, or a replay, could put a row into both tables; write 'warn', "
                "and read the rows of which _violations does not have 'unique_key'"
            )
            raise ValueError(message)
        if UNIQUE_KEY in self.expectations:
            message = (
                f"'on_duplicate' has the name {UNIQUE_KEY!r} among rules; call the "
                "expectation otherwise"
            )
            raise ValueError(message)
        return self

    @property
    def rules(self) -> dict[str, Expectation]:
        """The expectations, and that on the key of rows which are read together."""
        if self.on_duplicate is None:
            return self.expectations
        once = Expectation.model_construct(
            expect=f"{ROWS_OF_KEY} = 1", on_violation=self.on_duplicate
        )
        return {**self.expectations, UNIQUE_KEY: once}

    @field_validator("freshness")
    @classmethod
    def _longer_than_nothing(cls, freshness: str | None) -> str | None:
        if freshness is not None and not parse_duration(freshness):
            message = "expected a duration longer than nothing, such as '2 hours'"
            raise ValueError(message)
        return freshness


class AuditConfig(Block):
    """From which severity on an audit fails its run."""

    fail_on: Literal["info", "warning", "error"] = "error"


def _require_sources(name: str, sources: Mapping[str, str | None]) -> None:
    """Refuse a silver table that comes from none that there is, or from itself."""
    passed = [name]
    while (source := sources[passed[-1]]) is not None:
        if source not in sources:
            message = (
                f"'from: {source}' names no silver table, of {sorted(sources)}; leave "
                "'from' out for bronze"
            )
            raise ValueError(message)
        if source in passed:
            chain = " from ".join([*passed, source])
            message = f"'from' leads in a circle: {chain}; one must come from bronze"
            raise ValueError(message)
        passed.append(source)


class PipelineConfig(Block):
    """One pipeline: a landing folder, its bronze table, and the tables over it.

    The ``*_location`` accessors give normalized locations with defaults filled in;
    nothing else derives a location from the configuration.
    """

    name: Name
    schedule: str | None = "0 * * * *"
    lake: str = "lake"
    bronze: BronzeConfig = BronzeConfig()
    silver: list[SilverConfig] = Field(default_factory=list)
    current: list[CurrentConfig] = Field(default_factory=list)
    audit: AuditConfig = AuditConfig()
    _called: str | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _have_names_of_their_own(self) -> Self:
        names = [each.name for each in self.silver]
        names += [each.name for each in self.current]
        taken = sorted({name for name in names if names.count(name) > 1})
        if taken or "bronze" in names:
            message = (
                "each table of 'silver' and 'current' needs a name of its own, and not "
                f"'bronze': queries and checkpoints are named by it; twice: {taken}"
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _silver_comes_from_somewhere(self) -> Self:
        sources = {each.name: each.source for each in self.silver}
        for name in sources:
            _require_sources(name, sources)
        return self

    @model_validator(mode="after")
    def _tables_can_be_there(self) -> Self:
        silver = list(map(self.silver_location, self.silver))
        late = list(map(self.late_location, self.silver))
        current = list(map(self.current_location, self.current))
        live = [self.live_location(each) for each in self.silver if each.live]
        tables = [self.bronze_location, self.quarantine_location, *silver, *late]
        tables += [*live, *current]
        for location in [self.lake, self.schema_location, *tables]:
            normalize_tables(location)
        twice = sorted({each for each in tables if tables.count(each) > 1})
        if twice:
            message = (
                f"two tables of the pipeline would be {twice[0]!r}: bronze, its rows "
                "in quarantine, silver, its late rows and open windows, and current "
                "rows each need a table of their own"
            )
            raise ValueError(message)
        return self

    @property
    def called(self) -> str:
        """What commands call the pipeline, quoted for a shell.

        That is a name, or the path of its file where no name leads there.
        """
        return self._called or self.name

    def call(self, name_or_path: str) -> None:
        """Let commands find the pipeline as ``name_or_path``."""
        self._called = shlex.quote(name_or_path)

    @property
    def landing_location(self) -> str:
        """The folder or prefix in which files land."""
        return self._location(self.bronze.source.path, "landing", self.name)

    @property
    def schema_location(self) -> str:
        """Where the ledger (``_ledger``) and the schemas (``_schemas``) live."""
        given = self.bronze.source.options.get("cloudFiles.schemaLocation")
        return self._location(given, "schemas", self.name)

    @property
    def bronze_location(self) -> str:
        """The bronze Delta table."""
        return self._location(self.bronze.table, "bronze", self.name)

    @property
    def quarantine_location(self) -> str:
        """The Delta table of rows that violate a rule of ``quarantine``."""
        return f"{self.bronze_location}_quarantine"

    @property
    def bronze_checkpoint_location(self) -> str:
        """The checkpoint of the bronze query."""
        given = self.bronze.checkpoint
        return self._location(given, "checkpoints", self.name, "bronze")

    @property
    def streamed(self) -> list[SilverConfig]:
        """The silver tables of which each has a query, with a checkpoint."""
        return [each for each in self.silver if not each.is_complete]

    @property
    def complete(self) -> list[SilverConfig]:
        """The silver tables that are computed whole, each behind its source."""
        sources = {each.name: each.source for each in self.silver}

        def depth(name: str) -> int:
            source = sources[name]
            return 0 if source is None else 1 + depth(source)

        found = [each for each in self.silver if each.is_complete]
        return sorted(found, key=lambda each: depth(each.name))

    def source_location(self, silver: SilverConfig) -> str:
        """The table from whose rows ``silver`` is computed."""
        if silver.source is None:
            return self.bronze_location
        (source,) = (each for each in self.silver if each.name == silver.source)
        return self.silver_location(source)

    def silver_location(self, silver: SilverConfig) -> str:
        """The Delta table of ``silver``, named so that no other pipeline has it."""
        return self._silver_location(silver)

    def current_location(self, current: CurrentConfig) -> str:
        """The Delta table of ``current``, named so that no other pipeline has it."""
        return self._silver_location(current)

    def _silver_location(self, table: SilverConfig | CurrentConfig) -> str:
        begins = table.name.startswith(self.name)
        name = table.name if begins else f"{self.name}_{table.name}"
        return self._location(table.table, "silver", name)

    def late_location(self, silver: SilverConfig) -> str:
        """The Delta table of the late rows of ``silver``, if they are kept."""
        return f"{self.silver_location(silver)}_late"

    def live_location(self, silver: SilverConfig) -> str:
        """The Delta table of the open windows of ``silver``, if it is asked for."""
        return f"{self.silver_location(silver)}_live"

    def silver_checkpoint_location(self, silver: SilverConfig) -> str:
        """The checkpoint of the query that writes ``silver``."""
        given = silver.checkpoint
        return self._location(given, "checkpoints", self.name, silver.name)

    @property
    def queries(self) -> list[Query]:
        """The streaming queries in the order in which data passes them."""
        bronze = Query(
            "bronze",
            self.bronze_checkpoint_location,
            self.bronze_location,
            LandedFiles(self.schema_location),
            quarantine=self.quarantine_location,
            has_rules=bool(self.bronze.rules),
        )
        return [bronze, *map(self.silver_query, self.streamed)]

    def silver_query(self, silver: SilverConfig) -> Query:
        """The query that writes ``silver``."""
        return Query(
            silver.name,
            self.silver_checkpoint_location(silver),
            self.silver_location(silver),
            TableRows(self.bronze_location),
            silver.definition,
        )

    def ops_location(self, table: str) -> str:
        """The operational Delta table ``table``, shared by the pipelines of a lake."""
        return self._location(None, "ops", table)

    @property
    def locations(self) -> list[str]:
        """Every location that the pipeline's Spark jobs read or write."""
        silver = [
            location
            for each in self.streamed
            for location in (
                self.silver_location(each),
                self.silver_checkpoint_location(each),
            )
        ]
        silver += map(self.silver_location, self.complete)
        silver += [self.live_location(each) for each in self.streamed if each.live]
        return [
            self.landing_location,
            self.schema_location,
            self.bronze_location,
            self.quarantine_location,
            self.bronze_checkpoint_location,
            *silver,
            *map(self.current_location, self.current),
        ]

    @property
    def reports_location(self) -> str:
        """The folder of this pipeline's pages."""
        return self._location(None, "reports", self.name)

    def _location(self, given: str | None, *default: str) -> str:
        return normalize(given) if given else join(normalize(self.lake), *default)
