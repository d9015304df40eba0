"""Single pushes during a flood of pictures: `python -m bench.flood [--seconds S] [--uploaders N …]`.

A private service with the embedded store and the local engine sends a push every 100 ms: first alone, then while N
clients upload pictures as fast as the service accepts them. Those clients run on the same machine at its lowest
priority, because real clients run on other machines.
"""

import argparse
import json
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from bench.senders import ROOT
from pushhub.embedded.stage import Stage, stage
from sandbox.testing import SandboxClient

EVERY_SECONDS = 0.1
WARM_UP_PUSHES = 20
WARM_UP_SECONDS = 5.0
MODERATED = ("approved", "rejected", "in_review", "failed")
USER = "pushed"
WAIT_SECONDS = 60
UPLOADERS = (16, 200)
WIDTH = 4000  # pixels: 12 megapixels, 3.7 MB


def flood_run(*, seconds: float, uploaders: Sequence[int], width: int = WIDTH) -> Iterator[dict[str, Any]]:
    """A row for no uploaders, then one for each number of them."""
    with stage(AVATAR_ENGINE="local", PUSHHUB_RATE_LIMIT_PER_MINUTE="10000000") as running:
        _device_register(running)
        _pushes(running, WARM_UP_PUSHES)
        for number in (0, *uploaders):
            yield _measure(running, seconds, number, width)


def _measure(running: Stage, seconds: float, uploaders: int, width: int) -> dict[str, Any]:
    with _flood(running, uploaders, width) as flood:
        moderated, started = _moderated(running), time.perf_counter()
        pushes = _pushes(running, round(seconds / EVERY_SECONDS))
        took = time.perf_counter() - started
        moderated = _moderated(running) - moderated
    posts = sorted(post_ms for post_ms, _ in pushes)
    delays = sorted(_delay_ms(running, notification) for _, notification in pushes)
    return {
        "uploaders": uploaders,
        "pushes": len(pushes),
        "POST p50 ms": _percentile(posts, 50),
        "p95": _percentile(posts, 95),
        "accepted p50 ms": _percentile(delays, 50),
        "p95 ": _percentile(delays, 95),
        "uploads/s": round(flood.get("204", 0) / flood["seconds"], 1),
        "refused": sum(count for response, count in flood.items() if response not in {"seconds", "204"}),
        "moderated/s": round(moderated / took, 1),
    }


@contextmanager
def _flood(running: Stage, uploaders: int, width: int) -> Iterator[dict[str, Any]]:
    """Afterwards the dictionary has the results of the uploads."""
    found: dict[str, Any] = {"seconds": 1.0}
    if not uploaders:
        yield found
        return
    argv = [sys.executable, "-m", "bench.uploaders", running.url, str(uploaders), str(width)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdin is not None
    process.stdin.write(f"{running.server_key}\n")
    process.stdin.flush()
    time.sleep(WARM_UP_SECONDS)
    yield found
    output, _ = process.communicate()
    found.update(json.loads(output))


def _device_register(running: Stage) -> None:
    key = _call(running, "GET", "/v1/webpush/config")["application_server_key"]
    [subscription] = SandboxClient(running.sandbox_url).mint_web(1, application_server_key=key, user=USER)
    body = {"platform": "web", "subscription": subscription, "user_id": USER}
    _call(running, "PUT", f"/v1/devices/{uuid.uuid4()}", body)


def _pushes(running: Stage, count: int) -> list[tuple[float, str]]:
    """One every `EVERY_SECONDS`: the duration of the POST in ms, and the id of the notification."""
    found, due = [], time.perf_counter()
    for _ in range(count):
        time.sleep(max(0.0, due - time.perf_counter()))
        due += EVERY_SECONDS
        begin = time.perf_counter()
        made = _call(running, "POST", "/v1/notifications", {"to": {"users": [USER]}, "content": {"title": "Bench"}})
        found.append(((time.perf_counter() - begin) * 1000, made["id"]))
    return found


def _delay_ms(running: Stage, notification: str) -> float:
    """From accept to accepted, by the times in the delivery's row."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        [delivery] = _call(running, "GET", f"/v1/notifications/{notification}/deliveries")["data"]
        if delivery["accepted_at"]:
            accepted, created = (datetime.fromisoformat(delivery[name]) for name in ("accepted_at", "created_at"))
            return (accepted - created).total_seconds() * 1000
        if time.monotonic() > deadline:
            raise SystemExit(f"not accepted after {WAIT_SECONDS} s: {delivery}")
        time.sleep(EVERY_SECONDS)


def _moderated(running: Stage) -> int:
    return sum(_count(running, state) for state in MODERATED)


def _count(running: Stage, state: str) -> int:
    found, cursor = 0, ""
    while True:
        page = _call(running, "GET", f"/v1/avatars?limit=200&state={state}{cursor}")
        found += len(page["data"])
        if not page["next"]:
            return found
        cursor = f"&cursor={page['next']}"


def _percentile(values: list[float], q: int) -> float:
    return round(values[min(len(values) - 1, len(values) * q // 100)], 1)


def _call(running: Stage, method: str, path: str, body: Any = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(running.url + path, data=data, method=method)
    request.add_header("Authorization", f"Bearer {running.server_key}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as response:
        found: dict[str, Any] = json.load(response)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.flood", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of pushes, alone and in each flood (default 20)")
    parser.add_argument("--uploaders", type=int, nargs="+", default=UPLOADERS, help="clients at once (default 16 200)")
    parser.add_argument("--width", type=int, default=WIDTH, help="of the pictures (default 4000: 3.7 MB; 1800: 750 KB)")
    given = parser.parse_args()
    for row in flood_run(seconds=given.seconds, uploaders=given.uploaders, width=given.width):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
