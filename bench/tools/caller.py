"""A tenant's backend: one connection to the staged service's API, kept open."""

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

from pushhub.embedded.stage import Stage


class Caller:
    """`seconds`: how long the last call took, from the first byte out to the last byte in."""

    def __init__(self, running: Stage) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=60)
        self._headers = {"Authorization": f"Bearer {running.server_key}", "Content-Type": "application/json"}
        self.seconds = 0.0

    def call(self, path: str, body: Any = None) -> dict[str, Any]:
        """POST with a body, GET without. Raises SystemExit when the service refuses."""
        begin = time.perf_counter()
        content = json.dumps(body) if body is not None else None
        self._connection.request("POST" if content else "GET", path, content, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        self.seconds = time.perf_counter() - begin
        if answer.status >= 300:
            raise SystemExit(f"{path}: {answer.status} {text.decode(errors='replace')}")
        found: dict[str, Any] = json.loads(text)
        return found
