"""The sandbox beside `make run`, and a simulated browser of alice's: a first push has somewhere to arrive."""

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
    """Where the sandbox is to listen: the port of the last run, if it is free, so that an open page finds it again."""
    remembered = folder / "sandbox.port"
    before = remembered.read_text() if remembered.exists() else ""
    port = port_pick(int(before) if before.isdecimal() else None)
    remembered.write_text(str(port))
    return f"http://{LOOPBACK}:{port}"


def sandbox_argv(url: str) -> list[str]:
    return [sys.executable, "-m", "sandbox", "--port", url.rpartition(":")[2]]


def browser_register(*, api: str, server_key: str, sandbox: str) -> None:
    """Mint a subscription and register it for alice, through the public API. Repeated at every start: the sandbox keeps
    nothing, so that the subscription of the run before is gone. Raises OSError, which says why.
    """
    key = {"Authorization": f"Bearer {server_key}"}
    config = _call("GET", f"{api}/v1/webpush/config", key)
    wish = {"user": USER, "application_server_key": config["application_server_key"]}
    (subscription,) = _call("POST", f"{sandbox}/sandbox/devices/web", {}, wish)["subscriptions"]
    body = {"platform": "web", "subscription": subscription, "user_id": USER}
    _call("PUT", f"{api}/v1/devices/{DEVICE_ID}", key, body)


def _call(method: str, url: str, headers: dict[str, str], body: Any = None) -> dict[str, Any]:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 our own addresses
        url, data, {"Content-Type": "application/json", **headers}, method=method
    )
    with direct.open(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found
