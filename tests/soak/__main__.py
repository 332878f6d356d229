"""``python -m soak``: exit code 0 where no row was lost and none came twice.

Set by the environment: ``SOAK_KILLS`` and ``SOAK_SECONDS``, whichever is reached first
ends it; ``SOAK_SEED``; ``SOAK_FOLDER``, which is kept.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from soak.loop import Limits, soak

if __name__ == "__main__":
    limits = Limits(
        kills=int(os.environ.get("SOAK_KILLS", "200")),
        seconds=float(os.environ.get("SOAK_SECONDS", "3600")),
    )
    seed = int(os.environ.get("SOAK_SEED") or time.time())
    given = os.environ.get("SOAK_FOLDER")
    if given:
        Path(given).mkdir(parents=True)
        sys.exit(soak(Path(given), seed, limits))
    with tempfile.TemporaryDirectory(prefix="sluice-soak-") as folder:
        sys.exit(soak(Path(folder), seed, limits))
