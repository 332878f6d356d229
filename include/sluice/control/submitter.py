"""A job ends when the process that submitted it is gone: nothing else would end it.

Killed by SIGKILL, an Airflow worker sends no signal. Its JVM and driver would go on as
if nothing were, holding the lease, while Airflow submits the job again.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterable, Mapping

import msgspec

from sluice.control.holder import Holder, identify, is_gone

_VARIABLE = "SLUICE_SUBMITTERS"
_LOOK_SECONDS = 1.0


def submitter_environment(pids: Iterable[int]) -> Mapping[str, str]:
    """Return what to start a job with, so that it ends once any of ``pids`` is gone.

    They are processes of this machine. A driver that runs on another one, or in another
    container, cannot see them, and its lease is all that there is.
    """
    submitters = [identify(pid) for pid in pids]
    return {_VARIABLE: msgspec.json.encode(submitters).decode()}


def obey_submitter() -> None:
    """Send this process a SIGTERM once a process that submitted it is gone.

    Without the variable of ``submitter_environment`` nothing happens.
    """
    given = os.environ.get(_VARIABLE)
    if given:
        submitters = msgspec.json.decode(given, type=list[Holder])
        threading.Thread(target=_watch, args=(submitters,), daemon=True).start()


def _watch(submitters: list[Holder]) -> None:
    while not any(map(is_gone, submitters)):
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
