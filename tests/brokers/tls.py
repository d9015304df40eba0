"""TLS in front of a broker that speaks plain TCP, as a load balancer would end it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from pushhub.embedded.ports import LOOPBACK, port_pick

ELSEWHERE = "127.0.0.2"  # this machine too, by a name that the certificate does not carry


@contextmanager
def tls_end(chain: Path, port: int) -> Iterator[int]:
    """The port, on both addresses, whose connections are handed on to `port`."""
    loop = asyncio.new_event_loop()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)

    async def hand_on(client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        server, there = await asyncio.open_connection(LOOPBACK, port)
        await asyncio.gather(_copy(client, there), _copy(server, back))

    listener = loop.run_until_complete(asyncio.start_server(hand_on, [LOOPBACK, ELSEWHERE], port_pick(), ssl=context))
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        listener.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.1))
        loop.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()
