"""The start of a web process."""

import asyncio
import resource
import socket
from typing import Any

from pushhub.http.lifespan import UNREAD_SECONDS, lifespan


async def _started() -> list[str]:
    """The messages that the application sends from its start until a tenth of a second later."""
    sent: list[str] = []
    events = asyncio.Queue[dict[str, Any]]()

    async def send(message: Any) -> None:
        sent.append(message["type"])

    running = asyncio.create_task(lifespan(events.get, send))
    await events.put({"type": "lifespan.startup"})
    await asyncio.sleep(0.1)
    await events.put({"type": "lifespan.shutdown"})
    await running
    return sent


def test_connections_whose_responses_stay_unread_are_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sent = asyncio.run(_started())
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as connection:
            limit = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert limit == UNREAD_SECONDS * 1000


def test_the_process_may_have_many_connections() -> None:
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, most), most))
    try:
        asyncio.run(_started())
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
