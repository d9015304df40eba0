"""A vendor that is down for some seconds, on request."""

import time
from dataclasses import dataclass

from aiohttp import web

from sandbox.behaviour import OK, Step, stall

SCOPES = ("all", "push", "sns", "rekognition")
STATUSES = ("503", "hang", "reset")
REFUSALS = ("403", "410")  # a push service can answer these to every request


@dataclass(slots=True)
class Outage:
    scope: str = "all"
    status: str = "503"
    until: float = 0.0

    def begin(self, *, scope: str, status: str, seconds: float) -> None:
        """Raises ValueError for an unknown scope or status. 0 seconds ends the outage."""
        if scope not in SCOPES or status not in STATUSES + (REFUSALS if scope == "push" else ()):
            raise ValueError(f"scope is one of {SCOPES}, status one of {STATUSES}, or of {REFUSALS} for push")
        self.scope, self.status, self.until = scope, status, time.monotonic() + seconds

    def step(self, scope: str) -> Step:
        if self.scope not in ("all", scope) or time.monotonic() >= self.until:
            return OK
        return Step("unavailable" if self.status == "503" else self.status)

    async def play(self, request: web.Request, scope: str) -> web.Response | None:
        """The response during an outage, or None when there is no outage."""
        step = self.step(scope)
        if step is OK:
            return None
        if step.name in REFUSALS:
            return web.Response(status=int(step.name), text="planned refusal of the sandbox\n")
        if await stall(request, step):
            return web.Response()
        return web.Response(status=503, text="planned outage of the sandbox\n", headers={"Retry-After": "1"})
