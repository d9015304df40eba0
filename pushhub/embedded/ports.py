"""Free TCP ports on the loopback interface."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


def port_hold(port: int = 0) -> socket.socket:
    """Listen on `port` (0: any) until the socket is closed. Raises OSError when somebody else listens there."""
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Without REUSEADDR, connections of the previous run in TIME_WAIT would make its port look taken for a minute.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((LOOPBACK, port))
        held.listen(1)
    except OSError:
        held.close()
        raise
    return held


def port_of(held: socket.socket) -> int:
    port: int = held.getsockname()[1]
    return port


def port_free(port: int) -> bool:
    try:
        port_hold(port).close()
    except OSError:
        return False
    return True


def port_pick(preferred: int | None = None) -> int:
    """`preferred` if nobody listens there, else any free port."""
    if preferred and port_free(preferred):
        return preferred
    with port_hold() as held:
        return port_of(held)
