"""Free TCP ports on the loopback interface."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


def port_reserve(port: int = 0) -> socket.socket:
    """Listens on `port` (0: any) until the socket is closed. Raises OSError if another process listens there."""
    reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Without REUSEADDR the port of the previous run looks taken for a minute, because of connections in TIME_WAIT.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind((LOOPBACK, port))
        reserved.listen(1)
    except OSError:
        reserved.close()
        raise
    return reserved


def port_of(reserved: socket.socket) -> int:
    port: int = reserved.getsockname()[1]
    return port


def port_free(port: int) -> bool:
    try:
        port_reserve(port).close()
    except OSError:
        return False
    return True


def port_pick(preferred: int | None = None) -> int:
    """`preferred` if it is free, otherwise any free port."""
    if preferred and port_free(preferred):
        return preferred
    with port_reserve() as reserved:
        return port_of(reserved)
