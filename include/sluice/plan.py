"""What a run would do, told without doing it: nothing is written, no JVM started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sluice.checkpoint import read_checkpoint
from sluice.config import PipelineConfig
from sluice.model import FileVersion, LedgerFile
from sluice.preflight import read_up_to, require_consistent, source_options
from sluice.source.admit import AdmissionLimit, plan_end
from sluice.source.discover import list_landed
from sluice.source.ledger import Ledger, unknown_files


@dataclass(frozen=True)
class RunPlan:
    """The files, bytes and micro-batches that bronze's next run would read."""

    files: int
    bytes: int
    batches: int
    undiscovered: int


def plan_run(config: PipelineConfig) -> RunPlan:
    """Return what bronze would read now, as availableNow would cut it.

    Raises:
        FatalError: checkpoint, ledger and table do not belong together.
        UsageError: the landing folder or the options of the source are wrong.
    """
    checkpoint = read_checkpoint(config.bronze_checkpoint_location)
    ledger = Ledger.open(config.schema_location)
    require_consistent(config, checkpoint, ledger)
    options = source_options(config)
    start = read_up_to(checkpoint)
    waiting = ledger.files(after=start) if ledger else []
    known = [file.path for file in ledger.files()] if ledger else []
    fresh = unknown_files(list_landed(options), known)
    files = [*waiting, *_numbered(fresh, start + len(waiting))]
    limit = AdmissionLimit(max_files=options.max_files, max_bytes=options.max_bytes)
    return RunPlan(
        files=len(files),
        bytes=sum(file.size for file in files),
        batches=count_batches(files, start, limit),
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


def _numbered(files: Sequence[FileVersion], high: int) -> list[LedgerFile]:
    return [
        LedgerFile(seq, file.path, file.size, file.modified, file.etag)
        for seq, file in enumerate(files, start=high + 1)
    ]
