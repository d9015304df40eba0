"""A complete temporary service, with the sandbox instead of the vendors: for the demo, browser tests and fault runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.testing import SandboxClient

from .account import EmbeddedError
from .cluster import EmbeddedCluster
from .ports import port_pick
from .process import kill_group, spawn, stop, wait_until
from .programs import QUIET, manage, metrics_shared, program_argv, web_responds
from .server import tail
from .state import CHECKOUT

READY_SECONDS = 60.0
STOP_SECONDS = 15.0


@dataclass
class Stage:
    """A running service. Call all methods from the main thread: a child dies with the thread that started it."""

    cluster: EmbeddedCluster
    sandbox_url: str
    url: str
    env: Mapping[str, str] = field(repr=False)
    server_key: str = field(repr=False)
    tenant: str = "demo"
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def log(self, name: str) -> Path:
        return self.cluster.directory / f"{name}.log"

    def start(self, name: str) -> None:
        """Starts `web`, `dispatch`, `registry`, `avatars` or `beat`, also after `kill`."""
        port = int(self.url.rpartition(":")[2])
        argv = program_argv(self.cluster.directory, port)[name]
        with self.log(name).open("ab") as output:
            self.children[name] = spawn(
                argv, env=self.env, output=output.fileno(), on_owner_death=signal.SIGTERM, cwd=CHECKOUT
            )

    def start_all(self) -> None:
        """Starts all processes and waits until the web process responds. Raises EmbeddedError with the log's end."""
        for name in program_argv(self.cluster.directory, 0):
            self.start(name)
        web = self.children["web"]
        wait_until(lambda: web.poll() is not None or web_responds(self.url), seconds=READY_SECONDS, every=0.1)
        if not web_responds(self.url):
            raise EmbeddedError(f"web does not respond:\n{tail(self.log('web').read_text(errors='replace'))}")

    def kill(self, name: str) -> None:
        """`kill -9` of the process and its workers."""
        kill_group(self.children[name])

    def stop(self) -> None:
        for child in self.children.values():
            if child.poll() is None:
                child.terminate()
        for child in self.children.values():
            stop(child, signal.SIGTERM, seconds=STOP_SECONDS)


@contextmanager
def stage(**settings: str) -> Iterator[Stage]:
    """A cluster, the sandbox, a migrated database with a tenant, web, workers and beat. All are removed at the end.

    `settings` are environment variables for the service. Raises EmbeddedError if a process does not start.
    """
    with EmbeddedCluster.temporary() as cluster, _sandbox() as addresses:
        folders = {"AVATAR_LOCAL_DIR": str(cluster.directory / "objects")}
        env = os.environ | QUIET | metrics_shared(cluster.directory) | cluster.env() | _vendors(addresses)
        env |= folders | settings
        manage("migrate", "--noinput", "--verbosity", "0", env=env)
        tenant = json.loads(manage("tenant_create", Stage.tenant, "--json", env=env))
        url = f"http://127.0.0.1:{port_pick()}"
        running = Stage(cluster, addresses["url"], url, env, tenant["server_key"])
        try:
            running.start_all()
            yield running
        finally:
            running.stop()


def _vendors(addresses: Mapping[str, str]) -> dict[str, str]:
    """The vendors' addresses, and an AWS identity of the sandbox. The AWS identity of this machine is never used."""
    identity = SandboxClient(addresses["url"]).mint_credentials(region="us-east-1")
    return {
        "AWS_ACCESS_KEY_ID": identity["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": identity["secret_access_key"],
        "AWS_SESSION_TOKEN": "",
        "DJANGO_SETTINGS_MODULE": "pushhub.settings.run",
        "PUSHHUB_ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32",
        "PUSHHUB_SANDBOX_URL": addresses["url"],
        **{
            f"AWS_ENDPOINT_URL_{name.upper()}": addresses[f"{name}_url"]
            for name in ("sns", "sts", "ssm", "rekognition")
        },
    }


@contextmanager
def _sandbox() -> Iterator[dict[str, str]]:
    process = spawn(
        [sys.executable, "-m", "sandbox", "--json"],
        env=os.environ,
        output=subprocess.PIPE,
        on_owner_death=signal.SIGTERM,
        cwd=CHECKOUT,
    )
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        try:
            addresses: dict[str, str] = json.loads(first)
        except ValueError as error:
            output = (first + process.stdout.read()).decode(errors="replace")
            raise EmbeddedError(f"the sandbox does not start:\n{tail(output)}") from error
        yield addresses
    finally:
        stop(process, signal.SIGTERM, seconds=5)
        process.stdout.close()


def demo(arguments: list[str]) -> int:
    """`make demo`. The exit code is 0 if every payload arrived intact and exactly once."""
    with stage(AVATAR_ENGINE="rekognition") as running:
        addresses = ["--api", running.url, "--server-key", running.server_key, "--sandbox", running.sandbox_url]
        code = subprocess.run([sys.executable, "-m", "sandbox.demo", *addresses, *arguments], cwd=CHECKOUT).returncode
        for name in running.children if code else ():
            print(f"\nThe end of {name}'s log:\n{tail(running.log(name).read_text(errors='replace'))}")
    return code
