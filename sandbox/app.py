"""Combines the stand-ins and serves them on loopback."""

import asyncio
import ipaddress
import json
import os
import re
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from sandbox import page
from sandbox.control import Control
from sandbox.journal import Journal
from sandbox.ledger import Ledger
from sandbox.outage import Outage
from sandbox.push_service import PushService
from sandbox.rekognition import Rekognition
from sandbox.sns.service import Sns

_LOOPBACK = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?\Z")
MINT_WEB = "/sandbox/devices/web"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """`decrypt=False` skips ECDH and AES (for load runs); `echo` prints one line per caught notification.

    `keep` is the folder of a ledger: the subscriptions and the record of responses outlive the process.
    """

    decrypt: bool = True
    echo: bool = False
    keep: Path | None = None


def run(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    json_ready: bool = False,
    decrypt: bool = True,
    echo: bool = True,
    until_stdin_closes: bool = False,
    keep: Path | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. Port 0 takes a free port. Raises ValueError for a host that is not loopback."""
    with listen(host, port) as listener:
        options = ServerOptions(decrypt=decrypt, echo=echo and not json_ready, keep=keep)
        asyncio.run(_serve(listener, options, json_ready=json_ready, until_stdin_closes=until_stdin_closes))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ValueError unless `host` is loopback, because the control API has no password."""
    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    if not address.is_loopback:
        raise ValueError(f"the sandbox binds to loopback only, not to {host}")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    return socket.create_server((str(address), port), family=family, backlog=1024)


def origin_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def build(origin: str, options: ServerOptions) -> web.Application:
    journal = Journal(echo=_print_line if options.echo else None)
    outage = Outage()
    ledger = Ledger(options.keep) if options.keep else None
    push = PushService(origin=origin, journal=journal, outage=outage, decrypt=options.decrypt, ledger=ledger)
    sns = Sns(origin=origin, journal=journal, outage=outage)
    app = web.Application(middlewares=[_loopback_names_only])
    rekognition = Rekognition(keyring=sns.keyring, journal=journal, outage=outage)
    for service in (push, sns, rekognition, Control(journal=journal, push=push, sns=sns, outage=outage)):
        app.add_routes(service.routes())
    app.add_routes(page.routes())
    app.on_cleanup.append(sns.close)
    return app


@web.middleware
async def _loopback_names_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A browser may not control the sandbox through DNS rebinding or from a page of another site."""
    if not _is_loopback(request.host):
        return web.Response(status=421, text="the sandbox answers loopback host names only\n")
    caller = request.headers.get("Origin")
    if caller is not None and not _is_loopback(caller.rpartition("//")[2]):
        return web.Response(status=403, text="the sandbox answers pages of this machine only\n")
    response = await handler(request)
    if caller is not None and request.path == MINT_WEB:
        # The demo page has another port. It may read this one response; the others are for the sandbox's own page.
        response.headers.update({"Access-Control-Allow-Origin": caller, "Vary": "Origin"})
    return response


def _is_loopback(authority: str) -> bool:
    return _LOOPBACK.match(authority) is not None


async def _serve(
    listener: socket.socket, options: ServerOptions, *, json_ready: bool, until_stdin_closes: bool
) -> None:
    origin = origin_of(listener)
    runner = web.AppRunner(build(origin, options), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.SockSite(runner, listener, backlog=1024).start()
    _announce(origin, json_ready=json_ready)
    try:
        await _stop_requested(until_stdin_closes=until_stdin_closes)
    finally:
        await runner.cleanup()


async def _stop_requested(*, until_stdin_closes: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if until_stdin_closes:
        # The pipe ends when the parent dies, even by SIGKILL: so no orphan keeps the port.
        loop.add_reader(sys.stdin.fileno(), lambda: stop.set() if not os.read(sys.stdin.fileno(), 4096) else None)
    await stop.wait()


def _announce(origin: str, *, json_ready: bool) -> None:
    if json_ready:
        services = {f"{name}_url": f"{origin}/{name}" for name in ("sns", "sts", "ssm", "rekognition")}
        print(json.dumps({"url": origin, **services}), flush=True)
        return
    print(f"sandbox      {origin}/\nSNS          AWS_ENDPOINT_URL_SNS={origin}/sns", flush=True)


def _print_line(line: str) -> None:
    print(line, flush=True)
