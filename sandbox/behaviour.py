"""Faults on request. A behaviour is a short text that belongs to a device, a token or an endpoint.

ok                          accept (the default)
gone  not_found  too_large  410, 404, 413
throttle[:seconds]          429 with Retry-After (default 1)
unavailable[:seconds]       503 with Retry-After (default 1)
server_error  forbidden     500, 403 (key mismatch)
slow:seconds                accept after a delay
hang                        never answer
reset                       reset the connection before the message is accepted
lost                        accept the message, then reset the connection
invalid                     SNS only: accept Publish, then report the token as not valid, as the platform would
sequence:429,503,201        one step per request, as statuses or names; then ok
"""

import asyncio
import socket
import struct
from collections import deque
from dataclasses import dataclass

from aiohttp import web

_NAMES = frozenset(
    {"ok", "gone", "not_found", "too_large", "throttle", "unavailable", "server_error", "forbidden"}
    | {"slow", "hang", "reset", "lost", "invalid"}
)
_BY_STATUS = {
    "200": "ok",
    "201": "ok",
    "403": "forbidden",
    "404": "not_found",
    "410": "gone",
    "413": "too_large",
    "429": "throttle",
    "500": "server_error",
    "503": "unavailable",
}
HANG_SECONDS = 3_600.0
# With SO_LINGER of zero seconds the kernel sends RST instead of FIN.
_LINGER_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Step:
    name: str = "ok"
    seconds: float = 1.0


OK = Step()


class Behaviour:
    """Returns one Step per request."""

    def __init__(self, steps: list[Step], *, repeat: bool) -> None:
        self._steps = deque(steps)
        self._repeat = repeat

    @classmethod
    def parse(cls, text: str) -> "Behaviour":
        """Raises ValueError with the invalid word."""
        if text.startswith("sequence:"):
            return cls([_step(word) for word in text.removeprefix("sequence:").split(",")], repeat=False)
        return cls([_step(text)], repeat=True)

    def next(self) -> Step:
        if self._repeat:
            return self._steps[0]
        return self._steps.popleft() if self._steps else OK


def _step(word: str) -> Step:
    name, _, argument = word.strip().partition(":")
    name = _BY_STATUS.get(name, name) or "ok"
    if name not in _NAMES:
        raise ValueError(f"unknown behaviour {word.strip()!r}")
    seconds = float(argument) if argument else 1.0
    if not 0 <= seconds <= HANG_SECONDS:
        raise ValueError(f"{word.strip()!r}: seconds must be between 0 and {HANG_SECONDS:.0f}")
    return Step(name, seconds)


async def stall(request: web.Request, step: Step) -> bool:
    """Perform the faults that come before a response. True: the connection is closed and nothing may be sent."""
    if step.name == "slow":
        await asyncio.sleep(step.seconds)
    elif step.name == "hang":
        await asyncio.sleep(HANG_SECONDS)
    elif step.name == "reset":
        reset(request)
    return step.name in ("hang", "reset")


def reset(request: web.Request) -> web.Response:
    """Reset the TCP connection. The returned response only satisfies the framework; it is not sent."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        transport.abort()
    return web.Response()
