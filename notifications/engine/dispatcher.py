"""The dispatcher: claim, send, settle, with a window of requests that refills as answers come.

Nothing is held while sleeping: what cannot be sent now goes back with a due time. Told to stop, it claims no more,
waits briefly for answers, settles what was sent and gives back what was not.
"""

import logging
import time
from collections.abc import Callable
from math import inf
from typing import Final

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from notifications.engine import session
from notifications.engine.claim import deliveries_unsent, lane_claim
from notifications.engine.lanes import LanePicker, lane_wakeups_apply, work_due
from notifications.engine.outcome import settlement_for
from notifications.engine.send import Sender
from notifications.engine.settle import settle
from notifications.engine.types import Claimed, ClaimedDelivery, Gate, PickedLane, Settlement
from notifications.engine.window import SHARE, InFlightWindow
from notifications.states import DeliveryClass, DeliveryState
from notifications.wake import wake
from outgoing.http import Client
from outgoing.transfer import Limits
from providers.registry import provider_get
from providers.types import Outcome, SendResult
from pushhub.http.network import network_policy
from pushhub.kernel.metrics import Metric, count, gauge, observe, timed

logger = logging.getLogger(__name__)

CLAIM: Final = 256  # deliveries a claim
SEND_BATCH: Final = 64  # deliveries encrypted after one look at their mappings: some milliseconds
SETTLE_ROWS: Final = 300
# Seconds a result waits for others to be settled with. Somebody looks for what became of a transactional one: it waits
# only for others of its kind.
SETTLE_SECONDS: Final = {DeliveryClass.TRANSACTIONAL: 0.02, DeliveryClass.BULK: 0.25}
LOOK_AGAIN: Final = 0.02  # seconds between looks for work while there is none
DRAIN_MARGIN: Final = 1.0  # seconds that an answer may come after its request's timeout
DATABASE_WAIT: Final = 0.5  # seconds between tries to reach the database


class Dispatcher:
    """One per process, made after the fork. `run` may be called again and again: connections stay open between."""

    def __init__(self, *, gate: Gate, window: int | None = None) -> None:
        self._lease_seconds: float = settings.PUSHHUB_LEASE_SECONDS
        self._send_seconds: float = settings.PUSHHUB_SEND_SECONDS
        size = window or settings.PUSHHUB_WINDOW
        client = Client(
            network_policy(),
            max_in_flight=size + size // SHARE,
            limits=Limits(total_timeout=self._send_seconds),
        )
        self._window = InFlightWindow(client, size)
        self._sender = Sender(self._window, to_settlement=self._settlement)
        self._gate = gate
        self._lanes = LanePicker()
        self._results: list[Settlement] = []
        self._settle_at = inf
        self._look_at = 0.0
        self._idle = False
        self._joined = False
        self._urgent = 0  # transactional deliveries that we hold and whose result is not known
        self._session: object = None
        self._clock_ahead = 0.0  # of the database, seconds
        self.settled = 0

    def run(self, *, seconds: float = 10.0, stopping: Callable[[], bool] = lambda: False) -> bool:
        """Deliver what is due for up to `seconds`, then see out what was sent. Whether more is due."""
        end = time.monotonic() + seconds
        self._look_at, self._idle, self._joined = 0.0, False, False
        self._window.resume_slow_hosts()
        while not self._idle and time.monotonic() < end and not stopping():
            self._turn(claiming=True)
        self._drain(stopping)
        return self._end()

    def close(self) -> None:
        self._window.client.close()

    def _drain(self, stopping: Callable[[], bool]) -> None:
        """Requests end by their timeout; results wait for a lost database until their leases have run out.

        A host that lets its requests hang gets no more of them; the others need not wait with us, and are served on.
        """
        begin = time.monotonic()
        while self._window.waiting or self._window.in_flight or self._results:
            elapsed = time.monotonic() - begin
            if elapsed > self._lease_seconds or (stopping() and elapsed > self._send_seconds + DRAIN_MARGIN):
                break
            overtime = elapsed < self._send_seconds and not stopping()
            self._turn(claiming=overtime and self._window.pause_slow_hosts())
        self._results.clear()

    def _turn(self, *, claiming: bool) -> None:
        try:
            self._session_ensure()
            if claiming:
                self._refill()
                self._send()
            self._give_back(everything=not claiming)
            self._collect()
            self._flush()
        except (DatabaseError, InterfaceError) as error:
            self._database_lost(error)

    def _refill(self) -> None:
        now = time.monotonic()
        limit = min(CLAIM, self._window.capacity)
        if now < self._look_at or limit < min(CLAIM, self._window.size) // 2:
            return
        self._gate.refresh()
        lane_wakeups_apply()
        lane = self._lanes.pick(limit=limit)
        if lane is None:
            self._look_at = now + LOOK_AGAIN
            self._idle = self._window.empty and not self._results and not work_due()
            return
        claimed = self._claim(lane, limit)
        if not claimed.count and not claimed.rate_limited:
            self._look_at = now + LOOK_AGAIN

    def _claim(self, lane: PickedLane, limit: int) -> Claimed:
        with timed(Metric.CLAIM_SECONDS):
            claimed = lane_claim(
                lane=lane, limit=limit, lease_seconds=self._lease_seconds, send_seconds=self._send_seconds
            )
        count(Metric.DELIVERIES_CLAIMED, claimed.count)
        gauge(Metric.SENDS_IN_FLIGHT, self._window.in_flight)
        if claimed.count:
            self._clock_ahead = claimed.now - time.time()
        deliveries = self._gate.divert(claimed.deliveries)
        if lane.delivery_class is DeliveryClass.TRANSACTIONAL:
            self._urgent += len(deliveries) + len(claimed.settled)
        for delivery in deliveries:
            self._window.add(delivery)
        for settlement in claimed.settled:
            self._add(settlement)
        if claimed.count == limit and not self._joined:
            self._joined = True
            wake()  # there is more than one claim's worth: let another process join
        return claimed

    def _send(self) -> None:
        """What was claimed, a handful at a time. Between those of a broadcast, whoever is urgent gets in."""
        while deliveries := self._window.take(SEND_BATCH):
            self._sender.send(deliveries, now=self._now(), decided=self._add)
            if self._window.waiting and self._sender.urgent_waits:
                self._let_in(sum(delivery.lane.delivery_class is DeliveryClass.BULK for delivery in deliveries))
            self._collect(wait=False)
            self._flush()

    def _let_in(self, most: int) -> None:
        """Claim for whoever is urgent."""
        limit = min(most, self._window.capacity)
        if limit <= 0:
            return
        lane_wakeups_apply()
        lane = self._lanes.pick_urgent(limit=limit)
        if lane is not None:
            self._claim(lane, limit)

    def _give_back(self, *, everything: bool) -> None:
        """What is over its host's share, or all that was not sent when we end. No attempt was made."""
        now = self._now()
        back = self._window.shed(everything=everything)
        for delivery, wait in back:
            # What expires soon looks again sooner: the host may be back by then.
            self._add(
                Settlement(
                    delivery, DeliveryState.QUEUED, wait=min(wait, max(1.0, (delivery.snapshot.expires_at - now) / 2))
                )
            )
        deliveries_unsent([delivery for delivery, _ in back])

    def _collect(self, *, wait: bool = True) -> None:
        answers = self._window.poll(self._patience() if wait else 0.0)
        now = time.monotonic()
        for delivery, answer in answers[:1]:
            observe(Metric.VENDOR_SECONDS, answer.elapsed, provider=delivery.lane.app.provider)
        for delivery, answer in answers:
            assert delivery.push is not None
            result = provider_get(delivery.lane.app.provider).result(delivery.push, answer)
            if self._window.learn(delivery, answer, result, now=now):
                self._host_away(delivery, result)
            if self._sender.next_key_take(delivery, result):
                self._window.add(delivery)
            else:
                self._add(self._settlement(delivery, result))

    def _host_away(self, delivery: ClaimedDelivery, result: SendResult) -> None:
        logger.warning(
            "a host is in trouble: it is only probed", extra={"host": delivery.host, "error": result.error_code}
        )
        count(Metric.CIRCUIT_BREAKERS_OPENED, provider=delivery.lane.app.provider)

    def _patience(self) -> float:
        """Seconds to wait for answers: none while more can be claimed. With nothing under way, the wait is here."""
        until_look = self._look_at - time.monotonic()
        if self._window.empty:
            time.sleep(max(0.0, min(LOOK_AGAIN, until_look)))
        return 0.0 if until_look <= 0 and self._window.capacity >= CLAIM // 2 else LOOK_AGAIN

    def _settlement(self, delivery: ClaimedDelivery, result: SendResult) -> Settlement:
        if result.outcome is Outcome.ACCEPTED:
            self._gate.accepted(delivery)
        return settlement_for(delivery, result, now=self._now())

    def _add(self, settlement: Settlement) -> None:
        self._results.append(settlement)
        wait = SETTLE_SECONDS[settlement.delivery.lane.delivery_class]
        if settlement.delivery.lane.delivery_class is DeliveryClass.TRANSACTIONAL:
            self._urgent -= 1
            wait = wait if self._urgent else 0.0
        self._settle_at = min(self._settle_at, time.monotonic() + wait)

    def _flush(self) -> None:
        if not self._results:
            return
        if len(self._results) >= SETTLE_ROWS or time.monotonic() >= self._settle_at or self._window.empty:
            observe(Metric.SETTLE_ROWS, len(self._results))
            with timed(Metric.SETTLE_SECONDS):
                self.settled += settle(self._results)
            self._results, self._settle_at = [], inf
            self._gate.flush()

    def _now(self) -> float:
        """Unix seconds by the database's clock."""
        return time.time() + self._clock_ahead

    def _session_ensure(self) -> None:
        if self._session is None or connection.connection is not self._session:
            connection.close_if_unusable_or_obsolete()
            session.session_begin()
            self._session = connection.connection

    def _database_lost(self, error: Exception) -> None:
        """Answers keep coming in and wait; what was claimed and not settled in time is somebody else's then."""
        logger.warning("the database is away", extra={"error": type(error).__name__})
        connection.close()
        self._session = None
        self._look_at = time.monotonic() + DATABASE_WAIT
        time.sleep(0.0 if self._window.in_flight else DATABASE_WAIT)
        self._collect()

    def _end(self) -> bool:
        gauge(Metric.HOSTS_AWAY, self._window.open_circuit_breakers)
        gauge(Metric.SENDS_IN_FLIGHT, self._window.in_flight)
        try:
            self._gate.flush(now=True)
            due = work_due()
            session.session_end()
        except (DatabaseError, InterfaceError):
            connection.close()
            due = True
        self._session = None
        return due
