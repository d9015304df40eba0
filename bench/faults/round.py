"""One round of a scenario: a broadcast to many devices, small notifications meanwhile, harm, and the account."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from bench.faults.account import SHOWN, Account, Harm, Promised, account_make
from bench.faults.scene import Scene
from bench.faults.trickle import Trickle
from bench.faults.workers import Frozen, Group
from pushhub.embedded.process import wait_until
from sandbox.ledger import answers_path

TRICKLE_SECONDS = 0.1
SAY_SECONDS = 5.0
LOOK_SECONDS = 0.2
SHORT_WHILE = 0.02
FEW = 20_000  # deliveries that are over in a moment
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


class NotOver(Exception):
    """The deliveries did not end in time."""


class Round:
    """`deliveries` devices get the broadcast. `patience` is in seconds: shared machines stall, counts are asserted."""

    def __init__(
        self,
        scene: Scene,
        *,
        scenario: str,
        deliveries: int,
        folder: Path,
        chance: random.Random,
        patience: float,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.scene = scene
        self.scenario = scenario
        self.deliveries = deliveries
        self.folder = folder
        self.chance = chance
        self.patience = patience
        self.harm = Harm()
        self.promised = Promised()
        self.dispatchers: list[Group] = []
        self.helpers: list[Group] = []
        self.notification = ""
        self._say = say
        self._began = time.monotonic()
        self._said = 0.0
        self._scripted: list[str] = []
        self._trickle: Trickle | None = None
        self._ledger_since = 0

    # --- what a scenario is made of ------------------------------------------------------------------------------

    def dispatch(self, number: int = 1, **env: str) -> Group:
        """Start a dispatching worker."""
        group = self.scene.group(f"dispatch-{number}", self.folder, **env)
        self.dispatchers.append(group)
        group.start()
        return group

    def script(self, share: float, behaviour: str, *ends: str) -> None:
        """Have so many of the devices answer like this, devices that have no script yet."""
        free = list(self.scene.devices.keys() - self.promised.ends.keys())
        chosen = self.chance.sample(sorted(free), max(1, int(share * self.deliveries)))
        self.promised.ends |= dict.fromkeys(chosen, frozenset(ends))
        targets = [self.scene.devices[device] for device in chosen]
        self.scene.sandbox.behave_all(targets, behaviour)
        self._scripted += targets

    def begin(self, *, every: float = TRICKLE_SECONDS) -> None:
        """The broadcast is accepted, and small notifications follow it."""
        self._ledger_since = answers_path(self.scene.ledger).stat().st_size
        made = self.scene.call(
            "/v1/notifications", {"to": {"all": True}, "content": {"title": "Siege"}, "ttl": TTL}, seconds=60
        )
        self.notification = made["id"]
        self.promised.audiences[self.notification] = frozenset(self.scene.devices)
        unscripted = sorted(self.scene.devices.keys() - self.promised.ends.keys())
        self._trickle = Trickle(self.scene, unscripted, every=every)
        self._trickle.start()

    def ended(self) -> int:
        """Of the broadcast's deliveries."""
        ((number,),) = self.scene.query(_ENDED, [self.notification])
        return int(number)

    def going_on(self, *, until: float = 0.95) -> bool:
        return self.ended() < self.deliveries * until

    def pause(self, seconds: float) -> None:
        """Let it work, saying now and then how far it is."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.progress()
            time.sleep(min(left, 1.0))

    def progress(self, news: str = "", *, always: bool = False) -> None:
        if not self.notification or (not (news or always) and time.monotonic() - self._said < SAY_SECONDS):
            return
        self._said = time.monotonic()
        try:
            how_far = f"{self.ended():,} of {self.deliveries:,} ended"
        except psycopg.OperationalError:
            how_far = "PostgreSQL is away"
        self._say(f"{time.monotonic() - self._began:5.0f} s  {self.scenario:<15} {how_far:<28} {news}")

    def leases_lost(self) -> int:
        """How many of the round's deliveries have ever lost one."""
        ((number,),) = self.scene.query(_LOST_LEASES, [self.notification])
        return int(number)

    def in_the_air(self) -> Counter[str]:
        """The devices whose deliveries are `sending` now. Exact while the dispatchers are frozen."""
        # What they had asked of PostgreSQL is done first: it may be a settlement.
        wait_until(lambda: not self.scene.query(_BUSY)[0][0], seconds=2)
        return Counter(device for (device,) in self.scene.query(_SENDING))

    @contextmanager
    def still(self, *, patience: float = 0.0) -> Iterator[Counter[str]]:
        """Every dispatcher is frozen, and these devices' deliveries are in the air: some, if that comes in time."""
        deadline = time.monotonic() + patience
        while True:
            with Frozen([*self.dispatchers]):
                held = self.in_the_air()
                if held or time.monotonic() > deadline:
                    yield held
                    return
            time.sleep(SHORT_WHILE)

    def wait_for_the_middle(self) -> None:
        self.wait(lambda: not self.going_on(until=0.1))

    def wait(self, over: Callable[[], object]) -> None:
        """Raises NotOver."""
        self._wait(over, time.monotonic() + self.patience)

    # --- its end ---------------------------------------------------------------------------------------------------

    def finish(self) -> Account:
        """Wait until all has ended, and draw up the account. Raises NotOver."""
        assert self._trickle is not None
        deadline = time.monotonic() + self.patience
        try:
            self._wait(lambda: not self.going_on(until=1.0), deadline)
            self._trickle.stop()
            self._wait(lambda: not self.scene.query(_OPEN, [self.notification])[0][0], deadline)
            account = self._account()
        finally:
            self._trickle.stop()
            for group in [*self.dispatchers, *self.helpers]:
                group.stop()
            self._restore()
        return account

    def logs_keep(self, kept: Path, wrong: list[str]) -> Path:
        """Everything that was written down, with what is wrong on top. Where it is now."""
        kept.mkdir(parents=True)
        (kept / "wrong.txt").write_text("\n".join(wrong) + "\n")
        logs = [
            *self.folder.glob("*.log"),
            *self.scene.folder.glob("*.log"),
            *self.scene.cluster.directory.glob("*.log"),
        ]
        for log in logs:
            shutil.copy(log, kept / log.name)
        return kept

    def _wait(self, over: Callable[[], object], deadline: float) -> None:
        while not over():
            if time.monotonic() > deadline:
                raise NotOver(f"not over in time: {self.ended():,} of {self.deliveries:,} ended")
            self.progress()
            time.sleep(SHORT_WHILE if self.deliveries < FEW else LOOK_SECONDS)

    def _account(self) -> Account:
        assert self._trickle is not None
        self.promised.audiences |= {id_: frozenset([device]) for id_, device in self._trickle.accepted.items()}
        account = account_make(
            self.scene,
            scenario=self.scenario,
            ids=[id_ for (id_,) in self.scene.query(_IDS, [self.notification])],
            since=self._ledger_since,
            harm=self.harm,
            promised=self.promised,
        )
        broken = self.scene.sandbox.violations()
        account.wrong += [f"a rule of the push service broken: {rule['code']}" for rule in broken[:SHOWN]]
        account.seconds = time.monotonic() - self._began
        return account

    def _restore(self) -> None:
        """The next round finds every device reachable, and the vendor well."""
        self.scene.sandbox.behave_all(self._scripted, "ok")
        self.scene.sandbox.reset()
        self.scene.query("UPDATE devices_device SET endpoint_state = 'active' WHERE endpoint_state <> 'active'")
