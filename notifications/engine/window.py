"""The window of one process: claimed deliveries that wait for their host's share, and requests in flight."""

import logging
import time
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Final

from notifications.engine.circuit_breaker import CircuitBreaker
from notifications.engine.concurrency import ConcurrencyLimiter
from notifications.engine.types import ClaimedDelivery
from notifications.states import DeliveryClass
from outgoing.http import Client
from outgoing.types import FailureKind, HttpRequest, HttpResponse, TransportFailure
from providers.types import Outcome, SendResult
from pushhub.kernel.backoff import spread
from pushhub.kernel.metrics import Metric, count

logger = logging.getLogger(__name__)

SHARE: Final = 4  # a host that is not prompt has at most a quarter of the window while other hosts wait
HOST_ACTIVE: Final = 2.0  # seconds a host counts as waiting for its share after its last delivery
WAIT_SECONDS: Final = 1.0  # deliveries over their host's share wait here for at most so long
BACK_WAIT: Final = (0.5, 1.5)  # seconds until a delivery over its host's share is due again
PROMPT: Final = 0.5  # seconds within which a prompt host usually responds
SLOW: Final = 0.5  # seconds without a response after which a run that ends sends nothing more to the host
HOSTS_KEPT: Final = 10_000  # hosts are named by subscriptions, so anyone can add some

# Failures that say something about the host. A refused address is our own policy's, and no host was asked.
DOWN: Final = frozenset(FailureKind) - {FailureKind.REFUSED_ADDRESS, FailureKind.TOO_LARGE}

Response = HttpResponse | TransportFailure


class Host:
    """What one process knows about a push service: what waits for it, how much it takes, whether it is available."""

    __slots__ = ("breaker", "in_flight", "limiter", "name", "paused", "queues", "responded_at", "seen_at")

    def __init__(self, name: str, ceiling: int) -> None:
        self.name = name
        # Sent in this order; in each queue the oldest is first, with the time since which it waits.
        self.queues: dict[DeliveryClass, deque[tuple[float, ClaimedDelivery]]] = {
            DeliveryClass.TRANSACTIONAL: deque(),
            DeliveryClass.BULK: deque(),
        }
        self.in_flight = 0
        self.breaker = CircuitBreaker()
        self.limiter = ConcurrencyLimiter(ceiling)
        self.paused = False  # until the end of the run: the host is slow, and the run is about to end
        self.seen_at = 0.0
        self.responded_at = 0.0  # or, if nothing was in flight before, the time of the last request

    def is_prompt(self, now: float) -> bool:
        """Whether the host responds so fast that its requests will soon leave the window."""
        return (
            self.limiter.is_measured
            and self.limiter.latency < PROMPT
            and now - self.responded_at < PROMPT
            and not self.breaker.suspects
        )

    @property
    def waiting(self) -> int:
        return sum(map(len, self.queues.values()))

    def has_only_bulk(self) -> bool:
        return not self.queues[DeliveryClass.TRANSACTIONAL]

    def take(self, limit: int) -> list[ClaimedDelivery]:
        taken: list[ClaimedDelivery] = []
        for queue in self.queues.values():
            for _ in range(min(limit - len(taken), len(queue))):
                taken.append(queue.popleft()[1])
        return taken

    def take_probe(self) -> list[ClaimedDelivery]:
        """One delivery. If possible, its device is not among those whose failures opened the breaker."""
        suspects = self.breaker.suspects
        for queue in self.queues.values():
            chosen = next((entry for entry in queue if entry[1].device_id not in suspects), None)
            if chosen:
                queue.remove(chosen)
                return [chosen[1]]
        return self.take(1)

    def pop_last(self) -> ClaimedDelivery:
        """Take out the delivery that would be sent last."""
        return next(queue for queue in reversed(self.queues.values()) if queue).pop()[1]


class InFlightWindow:
    """Hosts share it: a slow host fills its quarter and no more, however many deliveries it has.

    `client` takes a quarter more than `size`: so much stays available to the other hosts when one host fills the window
    and then stops responding.
    """

    def __init__(self, client: Client, size: int) -> None:
        self.client = client
        self.size = size
        self.waiting = 0
        self._hosts: dict[str, Host] = {}
        self._active: dict[str, Host] = {}  # hosts that have deliveries here, or had some lately
        self._checked_at = 0.0

    @property
    def in_flight(self) -> int:
        return self.client.in_flight

    @property
    def capacity(self) -> int:
        """How many more deliveries may be claimed. More than the size allows, when a host fills the window and does not
        respond: those are for the other hosts."""
        free = self.size - self.client.in_flight - self.waiting
        if free * SHARE < self.size:
            now = time.monotonic()
            if any(host.in_flight and now - host.responded_at > PROMPT for host in self._active.values()):
                free += self.size // SHARE
        return free

    @property
    def empty(self) -> bool:
        return not self.waiting and not self.client.in_flight

    @property
    def open_circuit_breakers(self) -> int:
        return sum(not host.breaker.is_closed for host in self._hosts.values())

    def add(self, delivery: ClaimedDelivery) -> None:
        host = self._active.get(delivery.host) or self._activate(delivery.host)
        host.seen_at = now = time.monotonic()
        host.queues[delivery.lane.delivery_class].append((now, delivery))
        self.waiting += 1

    def take(self, limit: int) -> list[ClaimedDelivery]:
        """Up to `limit` deliveries that may be sent now."""
        now = time.monotonic()
        share = self._share(now)
        taken: list[ClaimedDelivery] = []
        for host in sorted(self._active.values(), key=Host.has_only_bulk):
            if not host.waiting or host.paused:
                continue
            capacity = min(limit, self.client.capacity) - len(taken)
            if not host.breaker.is_closed:
                if capacity > 0 and not host.in_flight and host.breaker.try_half_open(now=now):
                    taken += host.take_probe()
                continue
            taken += host.take(min(capacity, self._limit(host, share, now) - host.in_flight))
        self.waiting -= len(taken)
        return taken

    def shed(self, *, everything: bool = False) -> list[tuple[ClaimedDelivery, float]]:
        """Deliveries to give back, each with the seconds until it should be due again.

        Those of a host that is not available; those over their host's share if too many or waiting too long; or all.
        """
        if not self.waiting:
            return []
        now = time.monotonic()
        limit = self._share(now) // 2
        shed: list[tuple[ClaimedDelivery, float]] = []
        for host in self._active.values():
            for queue in host.queues.values():
                while queue and everything:
                    shed.append((queue.popleft()[1], 0.0))
                while queue and not host.breaker.is_closed:
                    wait = host.breaker.retry_in(now=now)
                    shed.append((queue.popleft()[1], spread(wait, 2.0 * wait)))
                while queue and now - queue[0][0] > WAIT_SECONDS:
                    shed.append((queue.popleft()[1], spread(*BACK_WAIT)))
            while host.waiting > limit:
                shed.append((host.pop_last(), spread(*BACK_WAIT)))
        self.waiting -= len(shed)
        return shed

    def submit(self, delivery: ClaimedDelivery, request: HttpRequest) -> None:
        delivery.sent_at = time.monotonic()
        self.client.submit(request, delivery)
        host = self._hosts[delivery.host]
        if not host.in_flight:
            host.responded_at = delivery.sent_at
        host.in_flight += 1

    def poll(self, seconds: float) -> list[tuple[ClaimedDelivery, Response]]:
        """Responses, after waiting for the first one; without requests in flight, none and no waiting."""
        responses: list[tuple[ClaimedDelivery, Response]] = self.client.poll(seconds)  # type: ignore[assignment]
        for delivery, _ in responses:
            self._hosts[delivery.host].in_flight -= 1
        return responses

    def record(self, delivery: ClaimedDelivery, response: Response, result: SendResult, *, now: float) -> None:
        """What a response says about its host."""
        host, device_id = self._hosts[delivery.host], delivery.device_id
        if isinstance(response, TransportFailure):
            if response.kind not in DOWN:
                return
            if response.kind is FailureKind.TIMEOUT:
                host.limiter.on_backpressure(device_id, now=now)
            opened = host.breaker.record_failure(device_id, now=now)
        elif response.status < 500:
            host.responded_at = now
            host.breaker.record_success()
            if result.outcome is Outcome.RETRY:
                host.limiter.on_backpressure(device_id, now=now)
            else:
                host.limiter.on_response(response.elapsed, now=now)
            return
        else:
            host.responded_at = now
            host.limiter.on_backpressure(device_id, now=now)
            opened = host.breaker.record_failure(device_id, now=now, retry_after=result.retry_after)
        if opened:
            error = result.error_code
            logger.warning("a circuit breaker has opened for a host", extra={"host": host.name, "error": error})
            count(Metric.CIRCUIT_BREAKERS_OPENED, provider=delivery.lane.app.provider.name)

    def pause_slow_hosts(self) -> bool:
        """Send nothing more, in this run, to hosts that leave a request without a response. Whether there are any."""
        before = time.monotonic() - SLOW
        in_flight: Iterator[ClaimedDelivery] = self.client.tags_in_flight()  # type: ignore[assignment]
        slow = {delivery.host for delivery in in_flight if delivery.sent_at < before}
        for name in slow:
            self._hosts[name].paused = True
        return bool(slow)

    def resume_slow_hosts(self) -> None:
        """A new run begins."""
        for host in self._hosts.values():
            host.paused = False

    def _activate(self, name: str) -> Host:
        host = self._hosts.get(name)
        if host is None:
            if len(self._hosts) >= HOSTS_KEPT:
                self._hosts = dict(self._active)
            host = self._hosts[name] = Host(name, self.size)
        self._active[name] = host
        return host

    def _share(self, now: float) -> int:
        """A host's share; all of the window for a single host. A host that is not available does not count."""
        if len(self._active) > 1 and now - self._checked_at > HOST_ACTIVE / 8:
            self._checked_at, before = now, now - HOST_ACTIVE
            self._active = {
                name: host
                for name, host in self._active.items()
                if host.waiting or host.in_flight or host.seen_at > before
            }
        available = (host for host in self._active.values() if host.breaker.is_closed)
        return self.size if sum(1 for _ in islice(available, 2)) < 2 else max(1, self.size // SHARE)

    def _limit(self, host: Host, share: int, now: float) -> int:
        """How many requests `host` may have in flight. A prompt host may use more than its share, because its requests
        soon leave the window: it may use all but the share of one other host."""
        if share < self.size and host.is_prompt(now):
            share = self.size - share
        return min(share, int(host.limiter.limit))
