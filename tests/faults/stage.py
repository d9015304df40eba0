"""A cluster, a push service and real workers to do harm to. Counts, not times, are what the tests assert."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import redis

from pushhub.embedded.cluster import EmbeddedCluster
from sandbox.testing import SandboxProcess
from tests.faults.seed import public_key

ROOT = Path(__file__).resolve().parents[2]
DEVICES = 5_000
LEASE_SECONDS = 12
PATIENCE = 120.0  # shared machines stall; what is asserted are counts


class Stage:
    def __init__(self, cluster: EmbeddedCluster, sandbox: SandboxProcess, folder: Path) -> None:
        self.cluster = cluster
        self.sandbox = sandbox
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self.env = {
            **os.environ,
            **cluster.env(),
            "DJANGO_SETTINGS_MODULE": "pushhub.settings.test",
            "PUSHHUB_LEASE_SECONDS": str(LEASE_SECONDS),
            "PUSHHUB_SEND_SECONDS": "5",
            "PUSHHUB_TURN_SECONDS": "1",
            "PUSHHUB_WINDOW": "64",
            "LOG_LEVEL": "WARNING",
        }

    def prepare(self) -> None:
        """Migrations, and a tenant with devices that the sandbox knows."""
        private_key = urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
        subscriptions = self.sandbox.mint_web(DEVICES, application_server_key=public_key(private_key))
        self._run("manage.py", "migrate", "--verbosity", "0")
        given = {"private_key": private_key, "origin": self.sandbox.url, "subscriptions": subscriptions}
        self._run("-m", "tests.faults.seed", "devices", given=json.dumps(given))

    def broadcast(self) -> str:
        """To every device; the notification's id."""
        self.sandbox.reset()
        return self._run("-m", "tests.faults.seed", "send").strip()

    def worker_start(self) -> subprocess.Popen[bytes]:
        """Dispatch, upkeep and beat in a process group of their own."""
        number = len(self.workers)
        command = f"-m celery -A pushhub.celery worker -B -c 3 -Q dispatch,registry,upkeep -n faults{number}@%h"
        flags = f"--schedule {self.folder}/beat{number} --pidfile= --without-gossip --without-mingle -l WARNING"
        worker = subprocess.Popen(
            [sys.executable, *command.split(), *flags.split()],
            cwd=ROOT,
            env=self.env,
            process_group=0,
            stdout=self.log(number).open("wb"),
            stderr=subprocess.STDOUT,
        )
        self.workers.append(worker)
        return worker

    def log(self, number: int) -> Path:
        return self.folder / f"worker{number}.log"

    def harm(self, worker: subprocess.Popen[bytes], number: signal.Signals) -> None:
        """The whole group: Celery's parent and its children."""
        os.killpg(worker.pid, number)
        if number is signal.SIGKILL:
            worker.wait()

    def freeze_push_service(self, seconds: float) -> None:
        """Whatever is under way is answered so much later."""
        assert self.sandbox.pid
        os.kill(self.sandbox.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(self.sandbox.pid, signal.SIGCONT)

    def empty_valkey(self) -> None:
        """Messages, wake-up marks and counters: everything that is not in PostgreSQL."""
        with redis.Redis.from_url(self.cluster.valkey.url()) as valkey:
            valkey.flushall()

    def stop(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                self.harm(worker, signal.SIGKILL)

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.cluster.postgres.url(), autocommit=True) as connection:
            return connection.execute(statement, parameters).fetchall()

    def states(self, notification_id: str) -> dict[str, int]:
        rows = self.query(
            "SELECT state, count(*) FROM notifications_delivery WHERE notification_id = %s GROUP BY 1", notification_id
        )
        return dict(rows)

    def retries(self, notification_id: str) -> int:
        """Attempts that the vendor did not answer, as recorded."""
        attempts = "SELECT sum(attempt - 1)::int FROM notifications_delivery WHERE notification_id = %s AND attempt > 1"
        return self.query(attempts, notification_id)[0][0] or 0

    def lost_leases(self, notification_id: str) -> int:
        lost = "SELECT sum(lost_leases)::int FROM notifications_delivery WHERE notification_id = %s"
        return self.query(lost, notification_id)[0][0] or 0

    def wait_for(self, what: Callable[[], bool], seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.02)

    def wait_for_the_middle(self, notification_id: str) -> None:
        self.wait_for(lambda: self.states(notification_id).get("accepted", 0) > DEVICES // 10)

    def freeze_in_the_middle(self, worker: subprocess.Popen[bytes], notification_id: str) -> int:
        """Stop it while rows are being sent; exactly how many."""
        self.wait_for_the_middle(notification_id)
        while True:
            self.harm(worker, signal.SIGSTOP)
            found = self.states(notification_id)
            if found.get("sending"):
                return found["sending"]
            assert found != {"accepted": DEVICES}, "it was over before it could be harmed"
            self.harm(worker, signal.SIGCONT)
            time.sleep(0.01)

    def wait_for_completion(self, notification_id: str) -> None:
        done = "SELECT completed_at IS NOT NULL FROM notifications_notification WHERE id = %s"
        self.wait_for(lambda: self.query(done, notification_id) == [(True,)])

    def assert_all_is_well(self, notification_id: str, *, sending: int) -> None:
        """Nothing lost, no more repeated than was in the air, rows and counters agree.

        On a slow machine more is repeated, honestly and on record: a request that timed out is another attempt, and a
        lease may run out while its holder waits for a processor.
        """
        assert 0 < sending < DEVICES
        self._assert_accepted(notification_id, repeated=max(sending, self.lost_leases(notification_id)))

    def assert_nothing_was_repeated(self, notification_id: str) -> None:
        """As above where nobody was killed: only what is on record as lost or unanswered went out again."""
        self._assert_accepted(notification_id, repeated=self.lost_leases(notification_id))

    def _assert_accepted(self, notification_id: str, *, repeated: int) -> None:
        self.wait_for_completion(notification_id)
        account = self.sandbox.accounting()
        assert account["targets"] == DEVICES
        assert account["messages"] - DEVICES <= repeated + self.retries(notification_id)
        assert self.states(notification_id) == {"accepted": DEVICES}
        counted = "SELECT counts, total FROM notifications_notification WHERE id = %s"
        assert self.query(counted, notification_id) == [({"accepted": DEVICES}, DEVICES)]

    def _run(self, *arguments: str, given: str = "") -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self.env, input=given, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def prepared(folder: Path) -> Iterator[Stage]:
    """A stage with a cluster and a push service of its own, and the devices registered."""
    with EmbeddedCluster.temporary() as cluster, SandboxProcess(decrypt=False) as sandbox:
        stage = Stage(cluster, sandbox, folder)
        stage.prepare()
        yield stage
