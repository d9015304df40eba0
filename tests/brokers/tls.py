"""A TLS proxy in front of a broker with plain TCP, like a load balancer that terminates TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from pushhub.embedded.ports import LOOPBACK, port_pick

OTHER_ADDRESS = "127.0.0.2"  # another address of this machine, which the certificate does not contain


@contextmanager
def tls_proxy(chain: Path, port: int) -> Iterator[int]:
    """The proxy's port on both addresses. It forwards connections to `port`."""
    loop = asyncio.new_event_loop()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)

    async def forward(from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(LOOPBACK, port)
        await asyncio.gather(_copy(from_client, to_server), _copy(from_server, to_client))

    listener = loop.run_until_complete(
        asyncio.start_server(forward, [LOOPBACK, OTHER_ADDRESS], port_pick(), ssl=context)
    )
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
