"""SeaweedFS from its wheel: one process with its own ports and folder, removed afterwards."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from avatars.storage.s3 import S3Storage

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "acme-access", "AWS_SECRET_ACCESS_KEY": "acme-secret"}
BUCKET, VERSIONED = "avatars", "versioned"


@dataclass(frozen=True)
class Server:
    endpoint_url: str

    def storage(self, bucket: str = BUCKET) -> S3Storage:
        return S3Storage(bucket, "us-east-1", self.endpoint_url)


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    os.environ.update(CREDENTIALS)
    port = _ports_free()
    process = subprocess.Popen(
        _argv(folder, port), stdout=(folder / "log").open("wb"), stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        started = Server(f"http://127.0.0.1:{port + 3}")
        _wait(started.endpoint_url, process)
        # A separate session: the default one may keep the credentials of another test.
        client = boto3.session.Session().client("s3", region_name="us-east-1", endpoint_url=started.endpoint_url)
        for bucket in (BUCKET, VERSIONED):
            client.create_bucket(Bucket=bucket)
            _warm(client, bucket)
        client.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
        yield started
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for name in CREDENTIALS:
            os.environ.pop(name, None)


def _warm(client: Any, bucket: str) -> None:
    """A bucket's first object creates its volumes, which fails for a while on a busy machine."""
    deadline = time.monotonic() + 60
    while True:
        try:
            client.put_object(Bucket=bucket, Key="warm", Body=b"warm")
            break
        except ClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
    client.delete_object(Bucket=bucket, Key="warm")


def _ports_free() -> int:
    """The first of four free ports whose gRPC ports, 10,000 above, are free too; all below the ephemeral ports."""
    for _ in range(100):
        first = random.randrange(11_000, 22_000, 10)
        if all(_free(first + step + far) for step in range(4) for far in (0, 10_000)):
            return first
    raise RuntimeError("no ports are free")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _argv(folder: Path, port: int) -> list[str]:
    identity = {
        "name": "acme",
        "credentials": [{"accessKey": "acme-access", "secretKey": "acme-secret"}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    return [
        str(Path(sys.executable).with_name("weed")),
        *("server", "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-dir", str(folder / "data")),
        *("-master.port", str(port), "-master.volumeSizeLimitMB", "64"),
        # Every bucket takes seven volumes for its first object; on a small disk the default number is lower.
        *("-volume.port", str(port + 1), "-volume.max", "100", "-volume.minFreeSpace", "1MiB"),
        *("-filer", "-filer.port", str(port + 2), "-s3", "-s3.port", str(port + 3), "-s3.config", str(config)),
        *("-s3.port.iceberg", "0", "-s3.port.lance", "0"),
    ]


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1)
            return
        except urllib.error.HTTPError:
            return  # the server is up and requires a signature
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("SeaweedFS did not start")
