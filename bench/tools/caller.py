"""A tenant's backend with one open connection to the API of the staged service."""

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

from pushhub.embedded.stage import Stage


class Caller:
    """`seconds`: the duration of the last call, from the first byte sent to the last byte received."""

    def __init__(self, running: Stage) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=60)
        self._headers = {"Authorization": f"Bearer {running.server_key}", "Content-Type": "application/json"}
        self.seconds = 0.0

    def call(self, path: str, body: Any = None) -> dict[str, Any]:
        """POST with a body, GET without. Raises SystemExit when the service refuses the request."""
        begin = time.perf_counter()
        content = json.dumps(body) if body is not None else None
        self._connection.request("POST" if content else "GET", path, content, self._headers)
        response = self._connection.getresponse()
        text = response.read()
        self.seconds = time.perf_counter() - begin
        if response.status >= 300:
            raise SystemExit(f"{path}: {response.status} {text.decode(errors='replace')}")
        found: dict[str, Any] = json.loads(text)
        return found
