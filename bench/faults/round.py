"""One round of a scenario: a broadcast to many devices, small notifications during it, faults, and the report."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from bench.faults.installation import Installation
from bench.faults.report import SHOWN, Expectations, InjectedFaults, RoundReport, report_make
from bench.faults.single_sends import SingleSends
from bench.faults.workers import Frozen, Group
from pushhub.embedded.process import wait_until
from sandbox.ledger import responses_path

SINGLE_SEND_SECONDS = 0.1
PROGRESS_SECONDS = 5.0
POLL_SECONDS = 0.2
SHORT_POLL_SECONDS = 0.02
SHORT_ROUND = 20_000  # fewer deliveries than this end within seconds
STARTED = 0.1  # of the broadcast's deliveries have ended when faults begin
TTL = 1_800
_ENDED = "SELECT count(*) FROM notifications_delivery WHERE notification_id = %s AND state NOT IN ('queued', 'sending')"
_OPEN = "SELECT count(*) FROM notifications_notification WHERE id >= %s::uuid AND completed_at IS NULL"
_IDS = "SELECT id::text FROM notifications_notification WHERE id >= %s::uuid"
_LOST_LEASES = """
SELECT count(*) FROM notifications_delivery WHERE lost_leases > 0
    AND notification_id = ANY (ARRAY(SELECT id FROM notifications_notification WHERE id >= %s::uuid))
"""
_BUSY = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid() AND query ~ 'notifications_delivery'
"""
_SENDING = """
SELECT device.device_id::text FROM notifications_delivery delivery
JOIN devices_device device ON device.id = delivery.device_id WHERE delivery.state = 'sending'
"""


class NotFinished(Exception):
    """The deliveries did not end in time."""


class Round:
    """`deliveries` devices get the broadcast. `timeout` is in seconds, and long: shared machines stall."""

    def __init__(
        self,
        installation: Installation,
        *,
        scenario: str,
        deliveries: int,
        folder: Path,
        rng: random.Random,
        timeout: float,
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.installation = installation
        self.scenario = scenario
        self.deliveries = deliveries
        self.folder = folder
        self.rng = rng
        self.timeout = timeout
        self.faults = InjectedFaults()
        self.expected = Expectations()
        self.dispatchers: list[Group] = []
        self.helpers: list[Group] = []
        self.notification = ""
        self._log = log
        self._began = time.monotonic()
        self._logged_at = 0.0
        self._scripted: list[str] = []
        self._single_sends: SingleSends | None = None
        self._ledger_since = 0

    # --- steps of a scenario -----------------------------------------------------------------------------------------

    def dispatcher_start(self, number: int = 1, **env: str) -> Group:
        """Start a worker that sends."""
        group = self.installation.group(f"dispatch-{number}", self.folder, **env)
        self.dispatchers.append(group)
        group.start()
        return group

    def script(self, share: float, behaviour: str, *ends: str) -> None:
        """Make this share of the devices, among those without a script, answer with `behaviour`."""
        free = list(self.installation.devices.keys() - self.expected.ends.keys())
        chosen = self.rng.sample(sorted(free), max(1, int(share * self.deliveries)))
        self.expected.ends |= dict.fromkeys(chosen, frozenset(ends))
        targets = [self.installation.devices[device] for device in chosen]
        self.installation.sandbox.behave_all(targets, behaviour)
        self._scripted += targets

    def begin(self, *, every: float = SINGLE_SEND_SECONDS) -> None:
        """Post the broadcast, then one small notification every `every` seconds."""
        self._ledger_since = responses_path(self.installation.ledger).stat().st_size
        made = self.installation.call(
            "/v1/notifications", {"to": {"all": True}, "content": {"title": "Siege"}, "ttl": TTL}, seconds=60
        )
        self.notification = made["id"]
        self.expected.audiences[self.notification] = frozenset(self.installation.devices)
        unscripted = sorted(self.installation.devices.keys() - self.expected.ends.keys())
        self._single_sends = SingleSends(self.installation, unscripted, every=every)
        self._single_sends.start()

    def ended(self) -> int:
        """How many of the broadcast's deliveries have ended."""
        ((number,),) = self.installation.query(_ENDED, [self.notification])
        return int(number)

    def unfinished(self, *, until: float = 0.95) -> bool:
        """Whether less than this share of the broadcast's deliveries has ended."""
        return self.ended() < self.deliveries * until

    def pause(self, seconds: float) -> None:
        """Wait and log the progress from time to time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.progress()
            time.sleep(min(left, 1.0))

    def progress(self, message: str = "", *, always: bool = False) -> None:
        if not self.notification or (not (message or always) and time.monotonic() - self._logged_at < PROGRESS_SECONDS):
            return
        self._logged_at = time.monotonic()
        try:
            state = f"{self.ended():,} of {self.deliveries:,} ended"
        except psycopg.OperationalError:
            state = "PostgreSQL is down"
        self._log(f"{time.monotonic() - self._began:5.0f} s  {self.scenario:<20} {state:<28} {message}")

    def leases_lost(self) -> int:
        """How many of the round's deliveries have ever lost a lease."""
        ((number,),) = self.installation.query(_LOST_LEASES, [self.notification])
        return int(number)

    def in_flight(self) -> Counter[str]:
        """The devices whose deliveries are `sending` now. Exact while the dispatchers are frozen."""
        # Statements that they had sent to PostgreSQL end first: one may be a settle.
        wait_until(lambda: not self.installation.query(_BUSY)[0][0], seconds=2)
        return Counter(device for (device,) in self.installation.query(_SENDING))

    @contextmanager
    def frozen(self, *, timeout: float = 0.0) -> Iterator[Counter[str]]:
        """Freeze every dispatcher; yields the devices in flight. Tries for `timeout` seconds to catch at least one."""
        deadline = time.monotonic() + timeout
        while True:
            with Frozen([*self.dispatchers]):
                in_flight = self.in_flight()
                if in_flight or time.monotonic() > deadline:
                    yield in_flight
                    return
            time.sleep(SHORT_POLL_SECONDS)

    def wait_until_started(self) -> None:
        self.wait(lambda: not self.unfinished(until=STARTED))

    def wait(self, done: Callable[[], object]) -> None:
        """Raises NotFinished."""
        self._wait(done, time.monotonic() + self.timeout)

    # --- the end of a round ------------------------------------------------------------------------------------------

    def finish(self) -> RoundReport:
        """Wait until everything has ended, then make the report. Raises NotFinished."""
        assert self._single_sends is not None
        deadline = time.monotonic() + self.timeout
        try:
            self._wait(lambda: not self.unfinished(until=1.0), deadline)
            self._single_sends.stop()
            self._wait(lambda: not self.installation.query(_OPEN, [self.notification])[0][0], deadline)
            report = self._report()
        finally:
            self._single_sends.stop()
            for group in [*self.dispatchers, *self.helpers]:
                group.stop()
            self._restore()
        return report

    def logs_save(self, target: Path, failures: list[str]) -> Path:
        """Copy all logs to `target`, with the failures in failures.txt."""
        target.mkdir(parents=True)
        (target / "failures.txt").write_text("\n".join(failures) + "\n")
        logs = [
            *self.folder.glob("*.log"),
            *self.installation.folder.glob("*.log"),
            *self.installation.cluster.directory.glob("*.log"),
        ]
        for log in logs:
            shutil.copy(log, target / log.name)
        return target

    def _wait(self, done: Callable[[], object], deadline: float) -> None:
        while not done():
            if time.monotonic() > deadline:
                raise NotFinished(f"not finished in time: {self.ended():,} of {self.deliveries:,} ended")
            self.progress()
            time.sleep(SHORT_POLL_SECONDS if self.deliveries < SHORT_ROUND else POLL_SECONDS)

    def _report(self) -> RoundReport:
        assert self._single_sends is not None
        self.expected.audiences |= {id_: frozenset([device]) for id_, device in self._single_sends.accepted.items()}
        report = report_make(
            self.installation,
            scenario=self.scenario,
            ids=[id_ for (id_,) in self.installation.query(_IDS, [self.notification])],
            since=self._ledger_since,
            faults=self.faults,
            expected=self.expected,
        )
        violations = self.installation.sandbox.violations()
        report.failures += [f"protocol violation: {violation['code']}" for violation in violations[:SHOWN]]
        report.seconds = time.monotonic() - self._began
        return report

    def _restore(self) -> None:
        """For the next round every device is reachable, and the vendor works."""
        self.installation.sandbox.behave_all(self._scripted, "ok")
        self.installation.sandbox.reset()
        self.installation.query("UPDATE devices_device SET endpoint_state = 'active' WHERE endpoint_state <> 'active'")
