"""A complete throw-away installation with its vendor and its workers, as the target of faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from bench.faults.workers import Group
from pushhub.embedded.cluster import EmbeddedCluster
from pushhub.embedded.ports import port_pick
from pushhub.embedded.process import wait_until
from pushhub.embedded.programs import QUIET, manage, program_argv, web_responds
from pushhub.embedded.state import CHECKOUT
from sandbox.testing import SandboxProcess

LEASE_SECONDS = 12
WINDOW = 128
READY_SECONDS = 90.0
MINT_BATCH = 10_000
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_ENV = {
    "DJANGO_SETTINGS_MODULE": "pushhub.settings.run",
    "PUSHHUB_ALLOWED_PRIVATE_NETWORKS": "127.0.0.1/32",
    "PUSHHUB_RATE_LIMIT_PER_MINUTE": "1000000",
    # Leases and tasks are short, so that the deliveries of a dead worker are due again within the round.
    "PUSHHUB_LEASE_SECONDS": str(LEASE_SECONDS),
    "PUSHHUB_SEND_SECONDS": "5",
    "PUSHHUB_TURN_SECONDS": "1",
    "PUSHHUB_WINDOW": str(WINDOW),
    "LOG_LEVEL": "WARNING",
}


Parameters = Sequence[Any] | Mapping[str, Any]


class RequestFailed(Exception):
    """The API did not answer 2xx, or did not answer."""


@dataclass
class Installation:
    """`support` are the programs that outlive a round; `devices` maps a device's id to its push URL.

    `call` is thread-safe. Call everything else from the main thread.
    """

    cluster: EmbeddedCluster
    sandbox: SandboxProcess
    ledger: Path
    folder: Path
    url: str
    env: Mapping[str, str] = field(repr=False)
    server_key: str = field(repr=False)
    vapid_key: str
    support: dict[str, Group] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict, repr=False)

    def group(self, name: str, folder: Path, **env: str) -> Group:
        """A program that is not started yet: `web`, `beat…`, `upkeep…` or `dispatch…`. Its log is in `folder`."""
        port = int(self.url.rpartition(":")[2])
        kind = name.partition("-")[0]
        argv = [*program_argv(self.cluster.directory, port)["registry" if kind == "upkeep" else kind]]
        if kind in ("dispatch", "upkeep"):
            argv[argv.index("--hostname") + 1] = f"{name}@%h"
        if kind == "beat":
            argv[argv.index("--schedule") + 1] = str(folder / f"{name}-schedule")
        return Group(name, argv, {**self.env, **env}, folder / f"{name}.log")

    def support_start(self) -> None:
        """Start web, beat and upkeep unless they run. Raises RuntimeError when the web does not answer."""
        for name in ("web", "beat", "upkeep"):
            group = self.support.setdefault(name, self.group(name, self.folder))
            if not group.running:
                group.start()
        if not wait_until(lambda: web_responds(self.url), seconds=READY_SECONDS, every=0.1):
            raise RuntimeError(f"web does not answer:\n{self.support['web'].log.read_text(errors='replace')[-2000:]}")

    def support_stop(self) -> None:
        for group in self.support.values():
            group.stop()

    def populate(self, count: int) -> None:
        """Grow to `count` devices of the one tenant, each with a subscription of the sandbox."""
        missing = count - len(self.devices)
        for begin in range(0, missing, MINT_BATCH):
            number = min(MINT_BATCH, missing - begin)
            minted = self.sandbox.mint_web(number, application_server_key=self.vapid_key)
            given = json.dumps({"origin": self.sandbox.url, "subscriptions": minted})
            ids = json.loads(self._run("-m", "bench.faults.populate", given=given))
            self.devices.update(zip(ids, (made["endpoint"] for made in minted), strict=True))

    def call(self, path: str, body: Any = None, *, seconds: float = 10.0) -> dict[str, Any]:
        """A request of the tenant's backend. Raises RequestFailed."""
        request = urllib.request.Request(self.url + path, data=json.dumps(body).encode() if body else None)
        request.add_header("Authorization", f"Bearer {self.server_key}")
        request.add_header("Content-Type", "application/json")
        try:
            with _DIRECT.open(request, timeout=seconds) as response:
                found: dict[str, Any] = json.load(response)
                return found
        except urllib.error.HTTPError as error:
            raise RequestFailed(f"{error.code} {error.read()[:300].decode(errors='replace')}") from error
        except (OSError, ValueError) as error:
            raise RequestFailed(str(error)) from error

    def holds_release(self) -> None:
        """The operator's decision that the devices of a gone spike are fine."""
        manage("holds", "siege", "--fine", env=self.env)

    def query(self, statement: LiteralString, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Raises psycopg.OperationalError while PostgreSQL is down."""
        with psycopg.connect(self.cluster.postgres.url(), autocommit=True, connect_timeout=10) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def reachable(self) -> bool:
        """Whether PostgreSQL answers."""
        try:
            return bool(self.query("SELECT 1"))
        except psycopg.OperationalError:
            return False

    def _run(self, *arguments: str, given: str = "") -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=CHECKOUT, env=self.env, input=given, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
        return done.stdout


@contextmanager
def installation_start(
    devices: int, *, cluster: EmbeddedCluster | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[Installation]:
    """Web, beat and upkeep run; each round starts its own dispatchers. Everything is deleted afterwards.

    `cluster` is a started one to be used instead of a throw-away one; `settings` are environment variables for the
    service. Raises EmbeddedError or RuntimeError.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pushhub-siege-")))
        cluster = cluster or stack.enter_context(EmbeddedCluster.temporary())
        sandbox = stack.enter_context(SandboxProcess(decrypt=False, keep=folder / "ledger"))
        env = {**os.environ, **QUIET, **cluster.env(), **_ENV, **(settings or {})}
        manage("migrate", "--noinput", "--verbosity", "0", env=env)
        made = json.loads(manage("tenant_create", "siege", "--json", env=env))
        installation = Installation(
            cluster=cluster,
            sandbox=sandbox,
            ledger=folder / "ledger",
            folder=folder,
            url=f"http://127.0.0.1:{port_pick()}",
            env=env,
            server_key=made["server_key"],
            vapid_key=made["vapid_public_key"],
        )
        installation.populate(devices)
        stack.callback(installation.support_stop)
        installation.support_start()
        yield installation
