"""Find what a pipeline made, where its configuration has it, and measure it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sluice.checkpoint.pending import PendingDeletion, read_pending
from sluice.config import PipelineConfig
from sluice.delta.log import open_table
from sluice.delta.tables import equal, query_table
from sluice.history.live import has_live
from sluice.options.configured import source_options
from sluice.paths import control_location, join
from sluice.resources.folders import measure, siblings
from sluice.resources.own import CHECKPOINT, foreign_files
from sluice.storage import list_names

ASIDE = ".replaced-"
"""What follows the name of what a repair has moved aside."""
_NAMED_BY_KEYS = {
    "table",
    "rows in quarantine",
    "late rows",
    "open windows",
    "checkpoint",
}


class Fate(StrEnum):
    """What a deletion of the pipeline does with a resource."""

    DELETED = "deleted"
    KEPT = "kept"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One thing that a pipeline made or uses; sizes in bytes.

    ``files`` and ``bytes`` are None where only some ``rows`` of a shared table are the
    pipeline's.
    """

    kind: str
    location: str
    fate: Fate
    files: int | None = None
    bytes: int | None = None
    rows: int | None = None
    note: str | None = None


def list_resources(config: PipelineConfig) -> list[Resource]:
    """Return everything there is of a pipeline: what it made, and what it uses.

    Raises:
        UsageError: the options of its source are wrong.
    """
    return [
        *_tables(config),
        *_checkpoints(config),
        *_schemas(config),
        *_ops_rows(config),
        *_folder("reports", config.reports_location, Fate.DELETED),
        *_used(config),
    ]


def deletable(config: PipelineConfig) -> Iterator[str]:
    """Yield the folders that a deletion removes, in this order.

    Tables go before the checkpoints that stand for their rows, bronze after what reads
    it, and the ledger, which names all, last.
    """
    for resources in (_tables(config), _checkpoints(config)):
        for resource in reversed(list(resources)):
            if resource.fate is Fate.DELETED:
                yield resource.location
    yield from (each.location for each in _schemas(config))
    if measure(config.reports_location):
        yield config.reports_location


def foreign(config: PipelineConfig) -> Iterator[str]:
    """Yield what lies in folders that a deletion removes, and others put there.

    A checkpoint may lie in its table's folder, and a ledger in its checkpoint's.
    """
    controls = [control_location(query.checkpoint) for query in config.queries]
    folders = [*deletable(config), *controls]
    for kinds, is_checkpoint in ((_tables, False), (_checkpoints, True)):
        for resource in kinds(config):
            if resource.fate is Fate.DELETED and resource.kind in _NAMED_BY_KEYS:
                within = f"{resource.location}/"
                inner = [f"{each}/" for each in folders if each.startswith(within)]
                found = foreign_files(resource.location, is_checkpoint=is_checkpoint)
                for path in (join(resource.location, each) for each in found):
                    if not path.startswith(tuple(inner)):
                        yield path


def _tables(config: PipelineConfig) -> Iterator[Resource]:
    begun = _being_deleted(config)
    tables = [("table", query.table) for query in config.queries]
    tables.insert(1, ("rows in quarantine", config.quarantine_location))
    tables += [("table", config.silver_location(each)) for each in config.complete]
    tables += [("table", config.current_location(each)) for each in config.current]
    for kind, location in tables:
        is_table = "_delta_log" in _names(location) or location in begun
        yield from _recognised(kind, location, is_ours=is_table)
    # Also of tables that keep none now: they may have done so before.
    own = {location for _, location in tables}
    for silver in config.silver:
        late = config.late_location(silver)
        if late not in own and "_delta_log" in _names(late):
            yield from _folder("late rows", late, Fate.DELETED)
        live = config.live_location(silver)
        is_asked = silver.live and "_delta_log" in _names(live)
        if live not in own and (is_asked or has_live(live)):
            yield from _folder("open windows", live, Fate.DELETED)


def _checkpoints(config: PipelineConfig) -> Iterator[Resource]:
    begun = _being_deleted(config)
    for query in config.queries:
        location = query.checkpoint
        is_checkpoint = bool(CHECKPOINT & _names(location)) or location in begun
        yield from _recognised("checkpoint", location, is_ours=is_checkpoint)
        for aside in siblings(location, ASIDE):
            yield from _folder("moved aside", aside, Fate.DELETED)
        control = control_location(location)
        yield from _folder("lease and requests", control, Fate.DELETED)


def _schemas(config: PipelineConfig) -> Iterator[Resource]:
    root = config.schema_location
    for name in sorted(_names(root)):
        if name == "_ledger":
            yield from _folder("ledger", join(root, name), Fate.DELETED)
        elif name == "_schemas":
            yield from _folder("schemas", join(root, name), Fate.DELETED)
        elif name == "_replays":
            yield from _folder("replays to finish", join(root, name), Fate.DELETED)
        elif name.startswith(f"_ledger{ASIDE}"):
            yield from _folder("moved aside", join(root, name), Fate.DELETED)


def _ops_rows(config: PipelineConfig) -> Iterator[Resource]:
    for location in ops_tables(config):
        table = open_table(location)
        where = equal(pipeline=config.name)
        if table is not None:
            counted = query_table(table, f"select count(*) as n from t where {where}")
            rows = int(counted["n"][0].as_py())
            if rows:
                yield Resource(
                    kind="rows of a shared table",
                    location=location,
                    fate=Fate.DELETED,
                    rows=rows,
                )


def ops_tables(config: PipelineConfig) -> list[str]:
    """Return the lake's operational tables that have rows by pipeline."""
    root = config.ops_location("batches").rpartition("/")[0]
    found = [(join(root, name), open_table(join(root, name))) for name in _names(root)]
    return sorted(
        location
        for location, table in found
        if table is not None
        and "pipeline" in {field.name for field in table.schema().fields}
    )


def _used(config: PipelineConfig) -> Iterator[Resource]:
    yield from _folder("landing folder", config.landing_location, Fate.KEPT)
    destination = source_options(config).move_destination
    if destination is not None:
        yield from _folder("archive of cleanSource", destination, Fate.KEPT)
    yield Resource(
        kind="Dag in Airflow",
        location=config.name,
        fate=Fate.KEPT,
        note=f"remove its pipeline file, then 'airflow dags delete {config.name}'",
    )


def _being_deleted(config: PipelineConfig) -> tuple[str, ...]:
    """Return the folders of which a killed deletion may have left a part."""
    deletion = read_pending(config.bronze_checkpoint_location, PendingDeletion)
    return deletion.locations if deletion else ()


def _recognised(kind: str, location: str, *, is_ours: bool) -> Iterator[Resource]:
    if is_ours:
        yield from _folder(kind, location, Fate.DELETED)
    else:
        note = f"this is no {kind}: look at it, and remove it by hand"
        yield from _folder(kind, location, Fate.KEPT, note)


def _folder(
    kind: str, location: str, fate: Fate, note: str | None = None
) -> Iterator[Resource]:
    found = measure(location)
    if found is not None:
        yield Resource(
            kind=kind,
            location=location,
            fate=fate,
            files=found.files,
            bytes=found.bytes,
            note=note,
        )


def _names(location: str) -> set[str]:
    return set(list_names(location))
