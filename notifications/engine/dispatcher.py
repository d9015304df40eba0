"""The dispatcher: claim, send and settle, with a window of requests in flight that is refilled as responses arrive.

It never sleeps with claimed deliveries: what cannot be sent now goes back with a due time. When it is asked to stop, it
claims no more, waits briefly for responses, settles what was sent and gives back what was not.
"""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from notifications.engine.claim import deliveries_unsent, lane_claim
from notifications.engine.lanes import LanePicker, lane_wakeups_apply, work_due
from notifications.engine.outcome import settlement_for, settlement_of_unsent
from notifications.engine.send import Sender
from notifications.engine.session import engine_session
from notifications.engine.settle_buffer import SettleBuffer
from notifications.engine.types import Claimed, ClaimedDelivery, Gate, PickedLane, Settlement
from notifications.engine.window import SHARE, InFlightWindow
from notifications.states import DeliveryClass
from notifications.wake import wake
from outgoing.http import Client
from outgoing.transfer import Limits
from providers.types import Outcome, SendResult
from pushhub.http.network import network_policy
from pushhub.kernel.metrics import Metric, count, gauge, observe, timed

logger = logging.getLogger(__name__)

CLAIM: Final = 256  # deliveries in one claim
SEND_BATCH: Final = 64  # deliveries encrypted after one check of their mappings: some milliseconds
IDLE_WAIT: Final = 0.02  # seconds between checks for work while there is none
DRAIN_MARGIN: Final = 1.0  # seconds that a response may come after its request's timeout
DATABASE_WAIT: Final = 0.5  # seconds between attempts to reach the database


class Pick(Protocol):
    def __call__(self, *, limit: int) -> PickedLane | None: ...


class Dispatcher:
    """One per process, made after the fork. `run` may be called repeatedly: connections stay open between the calls."""

    def __init__(self, *, gate: Gate, window: int | None = None) -> None:
        self._lease_seconds: float = settings.PUSHHUB_LEASE_SECONDS
        self._send_seconds: float = settings.PUSHHUB_SEND_SECONDS
        size = window or settings.PUSHHUB_WINDOW
        limits = Limits(total_timeout=self._send_seconds)
        client = Client(network_policy(), max_in_flight=size + size // SHARE, limits=limits)
        self._window = InFlightWindow(client, size)
        self._sender = Sender(self._window, to_settlement=self._settlement)
        self._gate = gate
        self._lanes = LanePicker()
        self._buffer = SettleBuffer()
        self._claim_at = 0.0  # monotonic
        self._idle = False
        self._joined = False
        self._clock_ahead = 0.0  # the database's clock minus this host's, in seconds

    def run(self, *, seconds: float = 10.0, stopping: Callable[[], bool] = lambda: False) -> bool:
        """Deliver what is due for up to `seconds`, then wait for what was sent. Whether more is due."""
        self._claim_at, self._idle, self._joined = 0.0, False, False
        self._window.resume_slow_hosts()
        with engine_session():
            for claiming in self._rounds(seconds, stopping):
                try:
                    self._round(claiming)
                except (DatabaseError, InterfaceError) as error:
                    self._database_lost(error)
            self._buffer.drop()
            return self._end()

    def close(self) -> None:
        self._window.client.close()

    def _rounds(self, seconds: float, stopping: Callable[[], bool]) -> Iterator[bool]:
        """For each round, whether it may claim.

        The last rounds drain: requests end by their timeout, and results wait for a lost database until their leases
        have expired. A host that leaves its requests without a response gets no more of them; deliveries for the other
        hosts need not wait for it, and are still claimed.
        """
        start = time.monotonic()
        while not self._idle and time.monotonic() - start < seconds and not stopping():
            yield True
        start = time.monotonic()
        while self._window.waiting or self._window.in_flight or self._buffer:
            elapsed = time.monotonic() - start
            if elapsed > self._lease_seconds or (stopping() and elapsed > self._send_seconds + DRAIN_MARGIN):
                break
            overtime = elapsed < self._send_seconds and not stopping()
            yield overtime and self._window.pause_slow_hosts()

    def _round(self, claiming: bool) -> None:
        if claiming:
            self._refill()
            self._send()
        unsent = self._window.shed(everything=not claiming)
        for delivery, wait in unsent:
            self._buffer.add(settlement_of_unsent(delivery, wait=wait, now=self._now()))
        deliveries_unsent([delivery for delivery, _ in unsent])
        self._collect(self._poll_seconds())
        if self._buffer.flush(idle=self._window.empty):
            self._gate.flush()

    def _refill(self) -> None:
        now = time.monotonic()
        limit = min(CLAIM, self._window.capacity)
        if now < self._claim_at or limit < min(CLAIM, self._window.size) // 2:
            return
        self._gate.refresh()
        claimed = self._claim(self._lanes.pick, limit)
        if claimed is None:
            self._idle = self._window.empty and not self._buffer and not work_due()
        if claimed is None or not (claimed.count or claimed.rate_limited):
            self._claim_at = now + IDLE_WAIT

    def _claim(self, pick: Pick, limit: int) -> Claimed | None:
        """Claim from the lane that `pick` chooses; None if no lane may claim now."""
        lane_wakeups_apply()
        lane = pick(limit=limit)
        if lane is None:
            return None
        with timed(Metric.CLAIM_SECONDS):
            claimed = lane_claim(
                lane=lane, limit=limit, lease_seconds=self._lease_seconds, send_seconds=self._send_seconds
            )
        count(Metric.DELIVERIES_CLAIMED, claimed.count)
        gauge(Metric.SENDS_IN_FLIGHT, self._window.in_flight)
        if claimed.count:
            self._clock_ahead = claimed.now - time.time()
        deliveries = self._gate.divert(claimed.deliveries)
        self._buffer.expect(len(deliveries) + len(claimed.settled), lane.delivery_class)
        for delivery in deliveries:
            self._window.add(delivery)
        for settlement in claimed.settled:
            self._buffer.add(settlement)
        if claimed.count == limit and not self._joined:
            self._joined = True
            wake()  # there is more than one claim's worth: let another process join
        return claimed

    def _send(self) -> None:
        """Send what was claimed, one batch at a time.

        After each batch, transactional lanes may claim as many deliveries as it had of bulk.
        """
        while deliveries := self._window.take(SEND_BATCH):
            self._sender.send(deliveries, now=self._now(), settled=self._buffer.add)
            if self._window.waiting and self._sender.urgent_due:
                bulk = sum(delivery.lane.delivery_class is DeliveryClass.BULK for delivery in deliveries)
                limit = min(bulk, self._window.capacity)
                if limit > 0:
                    self._claim(self._lanes.pick_urgent, limit)
            self._collect(0.0)
            if self._buffer.flush(idle=self._window.empty):
                self._gate.flush()

    def _collect(self, seconds: float) -> None:
        """Take in the responses, after waiting up to `seconds` for the first."""
        responses = self._window.poll(seconds)
        now = time.monotonic()
        for delivery, response in responses[:1]:
            observe(Metric.VENDOR_SECONDS, response.elapsed, provider=delivery.lane.app.provider.name)
        for delivery, response in responses:
            assert delivery.push is not None
            result = delivery.lane.app.provider.result(delivery.push, response)
            self._window.record(delivery, response, result, now=now)
            if self._sender.next_key_take(delivery, result):
                self._window.add(delivery)
            else:
                self._buffer.add(self._settlement(delivery, result))

    def _poll_seconds(self) -> float:
        """How long to wait for responses: not at all while more can be claimed. With nothing in flight, sleep here."""
        until_claim = self._claim_at - time.monotonic()
        if self._window.empty:
            time.sleep(max(0.0, min(IDLE_WAIT, until_claim)))
        return 0.0 if until_claim <= 0 and self._window.capacity >= CLAIM // 2 else IDLE_WAIT

    def _settlement(self, delivery: ClaimedDelivery, result: SendResult) -> Settlement:
        if result.outcome is Outcome.ACCEPTED:
            self._gate.accepted(delivery)
        return settlement_for(delivery, result, now=self._now())

    def _now(self) -> float:
        """Unix seconds by the database's clock."""
        return time.time() + self._clock_ahead

    def _database_lost(self, error: Exception) -> None:
        """Responses keep arriving and wait. What is not settled before its lease expires is sent by another worker."""
        logger.warning("the database is away", extra={"error": type(error).__name__})
        connection.close()
        self._claim_at = time.monotonic() + DATABASE_WAIT
        time.sleep(0.0 if self._window.in_flight else DATABASE_WAIT)
        self._collect(self._poll_seconds())

    def _end(self) -> bool:
        gauge(Metric.HOSTS_AWAY, self._window.open_circuit_breakers)
        gauge(Metric.SENDS_IN_FLIGHT, self._window.in_flight)
        try:
            self._gate.flush(now=True)
            return work_due()
        except (DatabaseError, InterfaceError):
            connection.close()
            return True
