"""The window of one process: claimed deliveries that wait for their host's share, and requests under way."""

import time
from collections import Counter, deque
from typing import Final

from notifications.claims import Job
from providers.http import Client
from providers.types import HttpRequest, HttpResponse, TransportFailure

SHARE: Final = 4  # one host holds at most a quarter of the window while others wait
HOST_ACTIVE: Final = 2.0  # seconds a host counts as waiting for its share after its last delivery
HOLD_SECONDS: Final = 1.0  # deliveries over their host's share wait here so long at most

Answer = HttpResponse | TransportFailure


class Window:
    """Hosts share it: a slow one fills its quarter and no more, however many deliveries it has."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.size = client.max_in_flight
        self.waiting = 0
        self._queues: dict[str, deque[tuple[float, Job]]] = {}
        self._in_flight: Counter[str] = Counter()
        self._seen: dict[str, float] = {}

    @property
    def in_flight(self) -> int:
        return self.client.in_flight

    @property
    def free(self) -> int:
        """How many more deliveries may be claimed."""
        return self.size - self.client.in_flight - self.waiting

    @property
    def empty(self) -> bool:
        return not self.waiting and not self.client.in_flight

    def add(self, job: Job) -> None:
        now = time.monotonic()
        self._seen[job.host] = now
        self._queues.setdefault(job.host, deque()).append((now, job))
        self.waiting += 1

    def take(self, most: int) -> list[Job]:
        """Deliveries that may be sent now."""
        share = self._share()
        taken: list[Job] = []
        for host in list(self._queues):
            queue = self._queues[host]
            room = min(most, self.client.room) - len(taken)
            for _ in range(min(room, share - self._in_flight[host], len(queue))):
                taken.append(queue.popleft()[1])
            if not queue:
                del self._queues[host]
        self.waiting -= len(taken)
        return taken

    def take_back(self, *, everything: bool = False) -> list[Job]:
        """Deliveries to give back: over their host's share and too many, or too long here, or all of them."""
        before = time.monotonic() - HOLD_SECONDS
        most = self._share() // 2
        back: list[Job] = []
        for host in list(self._queues):
            queue = self._queues[host]
            while queue and (everything or len(queue) > most or queue[0][0] < before):
                back.append((queue.popleft() if everything or queue[0][0] < before else queue.pop())[1])
            if not queue:
                del self._queues[host]
        self.waiting -= len(back)
        return back

    def submit(self, job: Job, request: HttpRequest) -> None:
        self.client.submit(request, job)
        self._in_flight[job.host] += 1

    def poll(self, seconds: float) -> list[tuple[Job, Answer]]:
        """Answers, waiting for the first one; without requests under way, none and no waiting."""
        answers: list[tuple[Job, Answer]] = self.client.poll(seconds)  # type: ignore[assignment]
        for job, _ in answers:
            self._in_flight[job.host] -= 1
            if not self._in_flight[job.host]:
                del self._in_flight[job.host]
        return answers

    def _share(self) -> int:
        """All of it for a lone host."""
        if len(self._seen) > 1:
            before = time.monotonic() - HOST_ACTIVE
            self._seen = {host: at for host, at in self._seen.items() if at > before or self._in_flight[host]}
        return self.size if len(self._seen) < 2 else max(1, self.size // SHARE)
