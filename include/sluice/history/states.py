"""The state of every file, derived from what is known of it; pure, and all in Arrow.

Nothing here makes an object of each file: a ledger holds millions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sluice.ledger.events import Archived
from sluice.ledger.quarantine import LeftOut, QuarantinedFile
from sluice.model import FileState, SeqRange

_TIMESTAMP = pa.timestamp("us", tz="UTC")
FILE_STATES_SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("path", pa.string()),
        ("size", pa.int64()),
        ("modified_at", _TIMESTAMP),
        ("state", pa.string()),
        ("batch_id", pa.int64()),
        ("table_version", pa.int64()),
        ("rows", pa.int64()),
        ("rescued_rows", pa.int64()),
        ("dropped_records", pa.int64()),
        ("quarantined_rows", pa.int64()),
        ("error", pa.string()),
        ("etag", pa.string()),
        ("discovered_at", _TIMESTAMP),
        ("discovery_run_id", pa.string()),
        ("claim_run_id", pa.string()),
        ("query_id", pa.string()),
        ("commit_time", _TIMESTAMP),
        ("archived_at", _TIMESTAMP),
        ("move_location", pa.string()),
    ]
)
_LEFT_OUT = {
    LeftOut.QUARANTINED: FileState.QUARANTINED,
    LeftOut.REPLACED: FileState.REPLACED,
}
_STATES = list(FileState)
_COUNTED = (
    "table_version",
    "rows",
    "rescued_rows",
    "dropped_records",
    "quarantined_rows",
)
Seqs = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class InFlight:
    """A micro-batch that is planned, and of which the table has no commit."""

    query_id: str
    batch_id: int
    range: SeqRange


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """What is known of all files, whichever of them are asked for.

    Files up to ``ingested_up_to`` are in micro-batches that the checkpoint has
    committed, those up to ``skipped_up_to`` were there before the stream and are never
    read. ``claims`` are in order of their ends.
    """

    claims: pa.Table
    in_flight: Sequence[InFlight]
    ingested_up_to: int
    skipped_up_to: int
    left_out: Mapping[int, QuarantinedFile]


@dataclass(frozen=True, kw_only=True)
class Happened:
    """What is known of some files: tables in order of seq, one row of a file each.

    ``readings`` and ``replays`` have columns of ``READINGS_SCHEMA``, ``moved`` those of
    ``newest_events``.
    """

    readings: pa.Table
    replays: pa.Table
    moved: pa.Table


def derive_states(files: pa.Table, happened: Happened, outcomes: Outcomes) -> pa.Table:
    """Return ``files``, rows of the ledger in order of seq, with what became of each.

    Rows and version are those of the newest replay of a file, or of the commit of the
    micro-batch that read it; of two queries the one that began last counts.
    """
    seqs = files["seq"].to_numpy()
    read = _with_flights(seqs, _at(happened.readings, seqs), outcomes.in_flight)
    replayed, moved = _at(happened.replays, seqs), _at(happened.moved, seqs)
    states = _states(seqs, read, outcomes)
    errors = _apply_left_out(seqs, states, read, outcomes.left_out)
    again, gone = _present(replayed["seq"]), _present(moved["seq"])
    states[again], states[gone] = _code(FileState.INGESTED), _code(FileState.ARCHIVED)
    counts = {
        name: pc.if_else(pa.array(again), replayed[name], read[name])
        for name in (*_COUNTED, "committed_at")
    }
    columns = {
        "seq": files["seq"],
        "path": files["path"],
        "size": files["size"],
        "modified_at": files["modified"],
        "state": pa.array(map(str, _STATES)).take(pa.array(states)),
        "batch_id": read["batch_id"],
        "error": pc.if_else(pa.array(again), None, errors),
        "etag": files["etag"],
        "discovered_at": files["discovered_at"],
        "discovery_run_id": files["run_id"],
        "claim_run_id": _claim_runs(seqs, outcomes.claims),
        "query_id": read["query_id"],
        "archived_at": moved["at"],
        "move_location": _locations(moved["detail"]),
        "commit_time": counts.pop("committed_at"),
        **counts,
    }
    return pa.table(columns).select(FILE_STATES_SCHEMA.names).cast(FILE_STATES_SCHEMA)


def _at(table: pa.Table, seqs: Seqs) -> pa.Table:
    """Return the row of each of ``seqs``, nulls where ``table`` has none."""
    known = table["seq"].to_numpy()
    if not len(known):
        return pa.table({f.name: pa.nulls(len(seqs), f.type) for f in table.schema})
    positions = np.searchsorted(known, seqs)
    positions[positions == len(known)] = 0
    return table.take(pa.array(positions, mask=known[positions] != seqs))


def _with_flights(
    seqs: Seqs, read: pa.Table, in_flight: Sequence[InFlight]
) -> pa.Table:
    """Put micro-batches that are under way in the place of earlier queries' readings.

    The archive of the very query knows better: its commit is over.
    """
    for each in in_flight:
        within = (seqs > each.range.start) & (seqs <= each.range.end)
        mine = _holds(pc.equal(read["query_id"], each.query_id))
        flies = pa.array(within & ~mine)
        flight = {"query_id": each.query_id, "batch_id": each.batch_id}
        read = pa.table(
            {
                name: pc.if_else(
                    flies, pa.scalar(flight.get(name), column.type), column
                )
                for name, column in zip(read.column_names, read.columns, strict=True)
            }
        )
    return read


def _states(seqs: Seqs, read: pa.Table, outcomes: Outcomes) -> Codes:
    """Return the state of each file as far as ranges and micro-batches give it."""
    claims = outcomes.claims["end_seq"]
    claimed_up_to = claims[-1].as_py() if len(claims) else 0
    states = np.full(len(seqs), _code(FileState.DISCOVERED))
    states[seqs <= claimed_up_to] = _code(FileState.IN_FLIGHT)
    states[seqs <= outcomes.ingested_up_to] = _code(FileState.INGESTED)
    states[_present(read["seq"])] = _code(FileState.INGESTED)
    flies = _present(read["batch_id"]) & ~_present(read["seq"])
    states[flies] = _code(FileState.IN_FLIGHT)
    skipped = seqs <= outcomes.skipped_up_to
    states[skipped & ~_has_rows(read)] = _code(FileState.SKIPPED)
    return states


def _apply_left_out(
    seqs: Seqs,
    states: Codes,
    read: pa.Table,
    left_out: Mapping[int, QuarantinedFile],
) -> pa.Array:
    """Set the states of the files that were left out, and return the reasons.

    Rows in the table are proof against a record: another driver read the file before
    it changed, and its commit came first.
    """
    empty = ~_has_rows(read)
    errors: dict[int, str] = {}
    positions = np.flatnonzero(np.isin(seqs, list(left_out)) & empty)
    for position in positions.tolist():
        record = left_out[int(seqs[position])]
        states[position] = _code(_LEFT_OUT[record.kind])
        errors[position] = record.error
    texts = pa.array([*errors.values(), None], pa.string())
    index = np.full(len(seqs), len(errors))
    index[list(errors)] = np.arange(len(errors))
    return texts.take(pa.array(index))


def _claim_runs(seqs: Seqs, claims: pa.Table) -> pa.ChunkedArray:
    """Return the run that claimed the micro-batch of each file: one chain of ranges."""
    ends = claims["end_seq"].to_numpy()
    if not len(ends):
        return pa.nulls(len(seqs), pa.string())
    positions = np.searchsorted(ends, seqs)
    inside = positions < len(ends)
    return claims["run_id"].take(pa.array(positions, mask=~inside))


def _locations(details: pa.ChunkedArray) -> pa.Array:
    texts = details.to_pylist()
    return pa.array([Archived.of(each).location if each else None for each in texts])


def _has_rows(read: pa.Table) -> Flags:
    return _holds(pc.greater(read["rows"], 0))


def _holds(condition: pa.ChunkedArray) -> Flags:
    """Return where a condition holds; what is not known does not."""
    known = condition.fill_null(fill_value=False)
    holds: Flags = known.to_numpy()
    return holds


def _present(column: pa.ChunkedArray) -> Flags:
    present: Flags = column.is_valid().to_numpy()
    return present


def _code(state: FileState) -> int:
    return _STATES.index(state)
