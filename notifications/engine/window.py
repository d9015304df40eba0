"""The window of one process: claimed deliveries that wait for their host's share, and requests under way."""

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

SHARE: Final = 4  # a host that is not prompt holds at most a quarter of the window while others wait
HOST_ACTIVE: Final = 2.0  # seconds a host counts as waiting for its share after its last delivery
HOLD_SECONDS: Final = 1.0  # deliveries over their host's share wait here so long at most
BACK_WAIT: Final = (0.5, 1.5)  # seconds until a delivery over its host's share is due again
PROMPT: Final = 0.5  # seconds within which a prompt host answers, as a rule
SLOW: Final = 0.5  # seconds without an answer after which a turn that ends waits for the host no longer by itself
HOSTS_KEPT: Final = 10_000  # strangers choose hosts

# Failures that say something about the host. A refused address is our own policy's, and nobody was asked.
DOWN: Final = frozenset(FailureKind) - {FailureKind.REFUSED_ADDRESS, FailureKind.TOO_LARGE}

Answer = HttpResponse | TransportFailure


class Host:
    """What one process knows of a push service: what waits for it, how much it takes, whether it is there."""

    __slots__ = ("answered_at", "breaker", "closed", "in_flight", "limiter", "name", "queues", "seen_at")

    def __init__(self, name: str, ceiling: int) -> None:
        self.name = name
        # In this order; each with the oldest first, and since when it waits.
        self.queues: dict[DeliveryClass, deque[tuple[float, ClaimedDelivery]]] = {
            DeliveryClass.TRANSACTIONAL: deque(),
            DeliveryClass.BULK: deque(),
        }
        self.in_flight = 0
        self.breaker = CircuitBreaker()
        self.limiter = ConcurrencyLimiter(ceiling)
        self.closed = False  # until the turn's end: it is slow, and the turn wants to end
        self.seen_at = 0.0
        self.answered_at = 0.0  # or, if nothing was under way before, sent to

    def prompt(self, now: float) -> bool:
        """Whether what it holds of the window comes back soon."""
        return (
            self.limiter.known
            and self.limiter.latency < PROMPT
            and now - self.answered_at < PROMPT
            and not self.breaker.suspects
        )

    @property
    def waiting(self) -> int:
        return sum(map(len, self.queues.values()))

    def waits_for_bulk(self) -> bool:
        """Whether nothing urgent waits for it."""
        return not self.queues[DeliveryClass.TRANSACTIONAL]

    def take(self, most: int) -> list[ClaimedDelivery]:
        taken: list[ClaimedDelivery] = []
        for queue in self.queues.values():
            for _ in range(min(most - len(taken), len(queue))):
                taken.append(queue.popleft()[1])
        return taken

    def probe(self) -> list[ClaimedDelivery]:
        """One delivery, of a device that is not among those whose failures opened the breaker, if there is one."""
        suspects = self.breaker.suspects
        for queue in self.queues.values():
            chosen = next((entry for entry in queue if entry[1].device_id not in suspects), None)
            if chosen:
                queue.remove(chosen)
                return [chosen[1]]
        return self.take(1)

    def newest_pop(self) -> ClaimedDelivery:
        """Take out the one that would be sent last."""
        return next(queue for queue in reversed(self.queues.values()) if queue).pop()[1]


class InFlightWindow:
    """Hosts share it: a slow one fills its quarter and no more, however many deliveries it has.

    `client` takes a quarter more than `size`: that much stays open to the others when one host fills the window and
    then falls silent.
    """

    def __init__(self, client: Client, size: int) -> None:
        self.client = client
        self.size = size
        self.waiting = 0
        self._hosts: dict[str, Host] = {}
        self._active: dict[str, Host] = {}  # those with deliveries here, or lately
        self._looked_at = 0.0

    @property
    def in_flight(self) -> int:
        return self.client.in_flight

    @property
    def capacity(self) -> int:
        """How many more deliveries may be claimed. When somebody fills the window and is silent: for the others."""
        free = self.size - self.client.in_flight - self.waiting
        if free * SHARE < self.size:
            now = time.monotonic()
            if any(host.in_flight and now - host.answered_at > PROMPT for host in self._active.values()):
                free += self.size // SHARE
        return free

    @property
    def empty(self) -> bool:
        return not self.waiting and not self.client.in_flight

    @property
    def open_circuit_breakers(self) -> int:
        return sum(host.breaker.is_open for host in self._hosts.values())

    def add(self, delivery: ClaimedDelivery) -> None:
        host = self._active.get(delivery.host) or self._activate(delivery.host)
        host.seen_at = now = time.monotonic()
        host.queues[delivery.lane.delivery_class].append((now, delivery))
        self.waiting += 1

    def take(self, most: int) -> list[ClaimedDelivery]:
        """Deliveries that may be sent now."""
        now = time.monotonic()
        share = self._share(now)
        taken: list[ClaimedDelivery] = []
        for host in sorted(self._active.values(), key=Host.waits_for_bulk):
            if not host.waiting or host.closed:
                continue
            room = min(most, self.client.room) - len(taken)
            if host.breaker.is_open:
                if room > 0 and not host.in_flight and host.breaker.probe_begin(now=now):
                    taken += host.probe()
                continue
            taken += host.take(min(room, self._most(host, share, now) - host.in_flight))
        self.waiting -= len(taken)
        return taken

    def shed(self, *, everything: bool = False) -> list[tuple[ClaimedDelivery, float]]:
        """Deliveries to give back, each with the seconds until it should be due again.

        Those of a host that is not there, those over their host's share and too many, or too long here; or all.
        """
        if not self.waiting:
            return []
        now = time.monotonic()
        most = self._share(now) // 2
        back: list[tuple[ClaimedDelivery, float]] = []
        for host in self._active.values():
            for queue in host.queues.values():
                while queue and everything:
                    back.append((queue.popleft()[1], 0.0))
                while queue and host.breaker.is_open:
                    wait = host.breaker.wait(now=now)
                    back.append((queue.popleft()[1], spread(wait, 2.0 * wait)))
                while queue and now - queue[0][0] > HOLD_SECONDS:
                    back.append((queue.popleft()[1], spread(*BACK_WAIT)))
            while host.waiting > most:
                back.append((host.newest_pop(), spread(*BACK_WAIT)))
        self.waiting -= len(back)
        return back

    def submit(self, delivery: ClaimedDelivery, request: HttpRequest) -> None:
        delivery.sent_at = time.monotonic()
        self.client.submit(request, delivery)
        host = self._hosts[delivery.host]
        if not host.in_flight:
            host.answered_at = delivery.sent_at
        host.in_flight += 1

    def poll(self, seconds: float) -> list[tuple[ClaimedDelivery, Answer]]:
        """Answers, waiting for the first one; without requests under way, none and no waiting."""
        answers: list[tuple[ClaimedDelivery, Answer]] = self.client.poll(seconds)  # type: ignore[assignment]
        for delivery, _ in answers:
            self._hosts[delivery.host].in_flight -= 1
        return answers

    def learn(self, delivery: ClaimedDelivery, answer: Answer, result: SendResult, *, now: float) -> bool:
        """What an answer says about its host. Whether the host's breaker has opened by it."""
        host = self._hosts[delivery.host]
        if isinstance(answer, TransportFailure):
            if answer.kind not in DOWN:
                return False
            if answer.kind is FailureKind.TIMEOUT:
                host.limiter.on_backpressure(delivery.device_id, now=now)
            return host.breaker.failed(delivery.device_id, now=now)
        host.answered_at = now
        if answer.status < 500:
            host.breaker.answered()
            if result.outcome is Outcome.RETRY:
                host.limiter.on_backpressure(delivery.device_id, now=now)
            else:
                host.limiter.answered(answer.elapsed, now=now)
            return False
        host.limiter.on_backpressure(delivery.device_id, now=now)
        return host.breaker.failed(delivery.device_id, now=now, asked=result.retry_after)

    def pause_slow_hosts(self) -> bool:
        """Send nothing more, this turn, to hosts that keep a request unanswered. Whether there are any."""
        before = time.monotonic() - SLOW
        under_way: Iterator[ClaimedDelivery] = self.client.under_way()  # type: ignore[assignment]
        slow = {delivery.host for delivery in under_way if delivery.sent_at < before}
        for name in slow:
            self._hosts[name].closed = True
        return bool(slow)

    def resume_slow_hosts(self) -> None:
        """A new turn."""
        for host in self._hosts.values():
            host.closed = False

    def _activate(self, name: str) -> Host:
        host = self._hosts.get(name)
        if host is None:
            if len(self._hosts) >= HOSTS_KEPT:
                self._hosts = dict(self._active)
            host = self._hosts[name] = Host(name, self.size)
        self._active[name] = host
        return host

    def _share(self, now: float) -> int:
        """A host's share; all of it for a lone one. A host that is not there does not count as waiting."""
        if len(self._active) > 1 and now - self._looked_at > HOST_ACTIVE / 8:
            self._looked_at, before = now, now - HOST_ACTIVE
            self._active = {
                name: host
                for name, host in self._active.items()
                if host.waiting or host.in_flight or host.seen_at > before
            }
        there = (host for host in self._active.values() if not host.breaker.is_open)
        return self.size if sum(1 for _ in islice(there, 2)) < 2 else max(1, self.size // SHARE)

    def _most(self, host: Host, share: int, now: float) -> int:
        """What `host` may have under way. A prompt one may also use what the others leave: it is soon given back."""
        if share < self.size and host.prompt(now):
            share = self.size - share
        return min(share, int(host.limiter.limit))
