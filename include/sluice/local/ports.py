"""Whether a port of this machine can be listened on."""

from __future__ import annotations

import socket

from sluice.errors import Condition, RetryableError

_HOST = "127.0.0.1"


def require_free_port(port: int, choice: str) -> None:
    """Refuse a port that is taken; ``choice`` says how to name another.

    Raises:
        RetryableError: something else listens there.
    """
    with socket.socket() as probe:
        # As a server would: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise RetryableError(
                Condition.PORT_IN_USE,
                f"port {port}: {error.strerror}; stop what listens there, or choose "
                f"{choice}",
                {"port": port},
            ) from None
