"""Compares senders, which only encrypt, sign and POST. Rounds are interleaved, so that noise affects all equally."""

import base64
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from providers.webpush.agreement import agree_each, public_point

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / ".peers"
HERE = Path(__file__).parent / "peers"
ARN = "arn:aws:sns:us-east-1:123456789012:endpoint/GCM/bench/11111111-1111-1111-1111-111111111111"


@dataclass(frozen=True, slots=True)
class Sender:
    """`counts`: messages per round at 0 and at 50 ms of latency; slow senders send fewer. Another tenth comes first
    and is not measured, because a sender makes its client and opens its connections only once."""

    name: str
    kind: str
    argv: tuple[str, ...]
    counts: tuple[int, int]


def _python(file: str) -> tuple[str, ...]:
    return (str(PEERS / "venv/bin/python"), str(HERE / file))


SENDERS = (
    Sender("pushhub", "webpush", (sys.executable, "-m", "bench.ours", "webpush"), (20_000, 20_000)),
    Sender("pywebpush, Session", "webpush", _python("pywebpush_session.py"), (600, 60)),
    Sender("pywebpush, async", "webpush", _python("pywebpush_async.py"), (2_000, 1_000)),
    Sender("django-push-notifications", "webpush", _python("django_push_notifications.py"), (150, 60)),
    Sender("npm web-push", "webpush", ("node", str(HERE / "web_push.mjs")), (2_000, 2_000)),
    Sender("pushhub", "sns", (sys.executable, "-m", "bench.ours", "sns"), (20_000, 20_000)),
    Sender("boto3, 8 threads", "sns", _python("boto3_threads.py"), (1_500, 500)),
    Sender("aiobotocore", "sns", _python("aiobotocore_gather.py"), (1_500, 1_000)),
)


@contextmanager
def sink(latency: float, *, response: str = "ok") -> Iterator[dict[str, Any]]:
    argv = [sys.executable, "-m", "bench.tools.sink", "--latency", str(latency), "--response", response]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(10)


def workload_make(*, port: int, ca: str, own_ca: str) -> dict[str, Any]:
    """The same for every sender: 200 subscriptions with different keys, one VAPID key, 200 bytes of text."""
    vapid = ec.generate_private_key(ec.SECP256R1())
    url = f"https://127.0.0.1:{port}"
    message = {"notification": {"title": "Benchmark", "body": "x" * 200}}
    return {
        "url": url,
        "ca": ca,
        "own_ca": own_ca,
        "payload": "x" * 200,
        "sub": "mailto:ops@pushhub.dev",
        "vapid_pem": vapid.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "vapid_private": _b64url(vapid.private_numbers().private_value.to_bytes(32, "big")),
        "vapid_public": _b64url(public_point(vapid)),
        "subscriptions": [_subscription(f"{url}/push/{number}") for number in range(200)],
        "endpoint_arn": ARN,
        "sns_message": json.dumps({"default": "x", "GCM": json.dumps({"fcmV1Message": {"message": message}})}),
    }


def senders_run(rounds: int) -> list[dict[str, Any]]:
    """A row per (sender, latency): medians over `rounds`. Raises CalledProcessError when a sender fails."""
    samples: dict[tuple[Sender, int], list[dict[str, float]]] = {}
    for number in range(rounds):
        for index, latency in enumerate((0.0, 0.05)):
            with sink(latency) as at:
                workload = workload_make(**at)
                for sender in SENDERS:
                    print(
                        f"  round {number + 1}/{rounds}  {latency * 1000:.0f} ms  {sender.kind} {sender.name}",
                        file=sys.stderr,
                    )
                    samples.setdefault((sender, index), []).append(
                        _run(sender, workload | {"count": sender.counts[index]})
                    )
    return [_row(sender, index, results) for (sender, index), results in samples.items()]


def _run(sender: Sender, workload: dict[str, Any]) -> dict[str, float]:
    done = subprocess.run(
        sender.argv,
        input=json.dumps(workload),
        text=True,
        capture_output=True,
        cwd=ROOT,
        env={
            **os.environ,
            "PEERS": str(PEERS),
            "NODE_EXTRA_CA_CERTS": workload["own_ca"],
            "REQUESTS_CA_BUNDLE": workload["ca"],
        },
        timeout=300,
    )
    if done.returncode:
        raise SystemExit(f"{sender.name} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _row(sender: Sender, index: int, results: list[dict[str, float]]) -> dict[str, Any]:
    return {
        "kind": sender.kind,
        "sender": sender.name,
        "latency_ms": (0, 50)[index],
        "per_second": round(statistics.median(r["messages"] / r["seconds"] for r in results)),
        "cpu_us": round(statistics.median(r["cpu_seconds"] / r["messages"] for r in results) * 1e6, 1),
    }


def openssl_ecdh_us() -> float:
    """OpenSSL's ECDH on P-256, µs each on one core, one by one, without making the key."""
    done = subprocess.run(
        ["openssl", "speed", "-seconds", "2", "-mr", "ecdhp256"], capture_output=True, text=True, check=True
    )
    # The machine-readable line of a curve: +F5:number:bits:operations per second:seconds per operation
    line = next(line for line in done.stdout.splitlines() if line.startswith("+F5"))
    return round(1e6 / float(line.split(":")[3]), 1)


def agreement_us() -> float:
    """The key agreement of a message in pushhub's sender, µs: a new key, the ECDH, and the Python code."""
    points = [public_point(ec.generate_private_key(ec.SECP256R1())) for _ in range(64)]
    agree_each(points)
    begin = time.process_time()
    for _ in range(100):
        agree_each(points)
    return round((time.process_time() - begin) / (100 * len(points)) * 1e6, 1)


def _subscription(endpoint: str) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    return {"endpoint": endpoint, "keys": {"p256dh": _b64url(public_point(key)), "auth": _b64url(os.urandom(16))}}


def _b64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
