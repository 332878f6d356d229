"""What a run would do, without doing it: nothing is written, no JVM started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sluice.cleanup.pipeline import require_only_reader
from sluice.config import PipelineConfig
from sluice.discovery.moved import require_same_path
from sluice.discovery.run import find_new
from sluice.ledger.damage import damage_named, ledger_root
from sluice.ledger.files import number_files, sort_by_arrival
from sluice.model import LedgerFile
from sluice.options.configured import source_options
from sluice.preflight.run import read_up_to
from sluice.rules.require import require_fit, require_nothing_begun
from sluice.source.admit import AdmissionLimit, limit_of, plan_end


@dataclass(frozen=True)
class RunPlan:
    """What bronze's next run would read.

    - ``waiting``: its files, in their order;
    - ``batches``: into how many micro-batches they would be cut;
    - ``undiscovered``: how many files the ledger does not know yet.
    """

    waiting: tuple[LedgerFile, ...]
    batches: int
    undiscovered: int

    @property
    def counts(self) -> dict[str, int]:
        """Its files, their bytes, and the rest."""
        return {
            "files": len(self.waiting),
            "bytes": sum(file.size for file in self.waiting),
            "batches": self.batches,
            "undiscovered": self.undiscovered,
        }


def plan_run(config: PipelineConfig) -> RunPlan:
    """Return what bronze would read now, as availableNow would cut it.

    Raises:
        FatalError: checkpoint, ledger and table do not belong together.
        UsageError: the landing folder or the options of the source are wrong.
    """
    with damage_named(ledger_root(config.schema_location)):
        return _plan(config)


def _plan(config: PipelineConfig) -> RunPlan:
    require_only_reader(config)
    require_nothing_begun(config)
    (bronze,) = require_fit(config, config.queries[:1])
    checkpoint = bronze.checkpoint
    ledger = bronze.ledger.ledger if bronze.ledger else None
    snapshot = bronze.ledger.snapshot if bronze.ledger else None
    options = source_options(config)
    require_same_path(options, ledger, snapshot)
    start = max(read_up_to(checkpoint), ledger.first_seq() if ledger else 0)
    waiting = ledger.files(after=start) if ledger else []
    found = find_new(ledger, options, snapshot=snapshot)
    fresh = sort_by_arrival(found.files.taken)
    if not options.include_existing and not (ledger and ledger.existing_settled()):
        return RunPlan(waiting=(), batches=0, undiscovered=len(fresh))
    files = [*waiting, *number_files(fresh, after=start + len(waiting))]
    return RunPlan(
        waiting=tuple(files),
        batches=count_batches(files, start, limit_of(options)),
        undiscovered=len(fresh),
    )


def count_batches(
    files: Sequence[LedgerFile], start: int, limit: AdmissionLimit
) -> int:
    """Return into how many micro-batches ``files``, in order of seq, would be cut."""
    count = 0
    rest = list(files)
    while rest:
        start = plan_end(start, rest, limit)
        rest = [file for file in rest if file.seq > start]
        count += 1
    return count
