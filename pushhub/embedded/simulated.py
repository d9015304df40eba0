"""The sandbox of `make run`, and a simulated browser for the user alice, so that a first push has a destination."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from .ports import LOOPBACK, port_pick

DEVICE_ID = "a11ce000-0000-4000-8000-000000000001"
USER = "alice"


def sandbox_url(folder: Path) -> str:
    """The sandbox's address. Its port is that of the last run, if it is free, so that an open page keeps working."""
    remembered = folder / "sandbox.port"
    before = remembered.read_text() if remembered.exists() else ""
    port = port_pick(int(before) if before.isdecimal() else None)
    remembered.write_text(str(port))
    return f"http://{LOOPBACK}:{port}"


def sandbox_argv(url: str) -> list[str]:
    return [sys.executable, "-m", "sandbox", "--port", url.rpartition(":")[2]]


def browser_register(*, api: str, server_key: str, sandbox: str) -> None:
    """Creates a subscription in the sandbox and registers it for alice through the public API.

    This is repeated at every start, because the sandbox forgets its subscriptions when it ends. Raises OSError.
    """
    key = {"Authorization": f"Bearer {server_key}"}
    config = _call("GET", f"{api}/v1/webpush/config", key)
    options = {"user": USER, "application_server_key": config["application_server_key"]}
    (subscription,) = _call("POST", f"{sandbox}/sandbox/devices/web", {}, options)["subscriptions"]
    body = {"platform": "web", "subscription": subscription, "user_id": USER}
    _call("PUT", f"{api}/v1/devices/{DEVICE_ID}", key, body)


def _call(method: str, url: str, headers: dict[str, str], body: Any = None) -> dict[str, Any]:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - the addresses of the service and the sandbox
        url, data, {"Content-Type": "application/json", **headers}, method=method
    )
    with direct.open(request, timeout=10) as response:
        document: dict[str, Any] = json.load(response)
    return document
