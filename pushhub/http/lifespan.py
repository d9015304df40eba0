"""What a web process does when the server starts it: it allows many connections, and limits how long a client may leave
a response unread."""

import asyncio
import os
import resource
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import suppress
from typing import Any

UNREAD_SECONDS = 60
POLL_SECONDS = 0.1
LISTENING_SECONDS = 30  # from the start of the application until the server listens

Message = MutableMapping[str, Any]


async def lifespan(receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    """ASGI's lifespan protocol."""
    await receive()
    _files_allow()
    limiting = asyncio.create_task(_unread_limit())
    await send({"type": "lifespan.startup.complete"})
    await receive()
    limiting.cancel()
    await send({"type": "lifespan.shutdown.complete"})


def _files_allow() -> None:
    """A connection is a file. The usual limit of 1,024 is lower than the number of connections that the server accepts;
    the process may raise it up to a second limit."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _unread_limit() -> None:
    """The server keeps the end of a response in its buffer without a limit of time. So a client that reads nothing
    would keep its connection forever; TCP_USER_TIMEOUT (RFC 5482, Linux) closes it. Connections inherit the option
    from the socket that listens. The server opens it after it has started the application, and gives no access to it.
    """
    for _ in range(int(LISTENING_SECONDS / POLL_SECONDS)):
        listening = list(_listening())
        for listener in listening:
            with listener:
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
        if listening:
            return
        await asyncio.sleep(POLL_SECONDS)


def _listening() -> Iterator[socket.socket]:
    """The TCP sockets of this process that listen, as duplicates."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # closed meanwhile: the folder itself, for one
            if stat.S_ISSOCK(os.stat(f"/proc/self/fd/{name}").st_mode):
                duplicate = socket.socket(fileno=os.dup(int(name)))
                is_tcp = duplicate.family in {socket.AF_INET, socket.AF_INET6} and duplicate.type == socket.SOCK_STREAM
                if is_tcp and duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    yield duplicate
                else:
                    duplicate.close()
