"""Land small files all the time: late rows, odd names, times that are no order."""

from __future__ import annotations

import json
import os
import random
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType

START = datetime(2026, 1, 1, tzinfo=UTC)
METHODS = ("card", "cash", "voucher")
NAMES = (
    "{n:05d}.json",
    "{n:05d}.json",
    "{n:05d}.json",
    "a b {n}.json",
    "[{n}]{{x,y}}*?.json",
    "100%25 {n}.json",
    "訂單-ü-{n}.json",
    "~{n}#+&=;'.json",
    "sub {n}/year=2026/{n}.json",
)
MOMENTS = (
    datetime(2001, 2, 3, tzinfo=UTC),
    datetime(2040, 1, 1, tzinfo=UTC),
    datetime(2026, 6, 1, tzinfo=UTC),
)


class Landing:
    """A thread that lands files in a folder while the block runs.

    It lands no more than it is asked for: a machine that is slow must not fall behind.
    """

    def __init__(self, folder: Path, seed: int, *, pause: float) -> None:
        """Land a file every ``pause`` seconds, more or less."""
        self.asked = 1
        self._folder = folder
        self._random = random.Random(seed)
        self._pause = pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.files = 0

    def __enter__(self) -> Landing:
        self.land()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Land nothing more."""
        self._over.set()
        self._thread.join()

    def land(self) -> None:
        """Land one file, whole in one moment, under a name that Spark leaves alone."""
        number = self.files
        path = self._folder / self._random.choice(NAMES).format(n=number)
        path.parent.mkdir(parents=True, exist_ok=True)
        being_written = path.with_name(f".{number}.tmp")
        rows = [self._order(number, row) for row in range(self._random.randint(1, 12))]
        being_written.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        if self._random.random() < 0.3:
            moment = self._random.choice(MOMENTS).timestamp()
            os.utime(being_written, (moment, moment))
        being_written.rename(path)
        self.files += 1

    def _run(self) -> None:
        while not self._over.wait(self._random.expovariate(1 / self._pause)):
            if self.files < self.asked:
                self.land()

    def _order(self, number: int, row: int) -> dict[str, object]:
        """Return an order; one in ten is late by hours, one in fifty has no time."""
        time = START + timedelta(seconds=40 * number + self._random.randrange(300))
        chance = self._random.random()
        if chance < 0.1:
            time -= timedelta(seconds=self._random.randrange(4 * 3600))
        return {
            "order_id": f"{number}-{row}",
            "order_date": "never" if chance > 0.98 else f"{time:%Y-%m-%d %H:%M:%S}",
            "total_amount": self._random.randrange(100, 100_000) / 100,
            "payment_method": self._random.choice(METHODS),
        }
