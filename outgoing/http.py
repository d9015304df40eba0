"""The one outgoing HTTP client: libcurl's multi interface, for every vendor and webhook.

The peer address is checked when libcurl opens the socket and not before, so a second name look-up cannot change it.
The client follows no redirect, proxy variable, netrc or alt-svc, and reads a bounded part of a response. Connections
live as long as the client, across batches. Not thread-safe: one client for each thread.
"""

import os
import select
import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from weakref import WeakSet

import pycurl

from outgoing.network import NetworkPolicy
from outgoing.transfer import Limits, Slot, default_ca_file
from outgoing.types import FailureKind, HttpRequest, HttpResponse, TransportError, TransportFailure

Reply = HttpResponse | TransportFailure

_EVENTS = {pycurl.POLL_IN: select.EPOLLIN, pycurl.POLL_OUT: select.EPOLLOUT, pycurl.POLL_INOUT: 5}


_clients: "WeakSet[Client]" = WeakSet()


def _after_fork() -> None:
    for client in _clients:
        client.leave_to_parent()


os.register_at_fork(after_in_child=_after_fork)


class ClientFull(RuntimeError):
    """`submit` without free capacity. Check `capacity` first."""


class Client:
    """Submits requests; `poll` returns the responses in the order in which they complete.

    Handles are created at first use, in each process.
    """

    def __init__(
        self,
        policy: NetworkPolicy,
        *,
        max_in_flight: int = 512,
        limits: Limits | None = None,
        ca_file: str | None = None,
    ) -> None:
        self.max_in_flight = max_in_flight
        self._new_slot = partial(Slot, policy, limits or Limits(), ca_file or default_ca_file())
        self._multi: Any = None
        self._inherited: list[object] = []
        self._watched: dict[int, int] = {}
        self._timeouts: list[int] = []
        self._timer: float | None = None
        self._free: dict[str, list[Slot]] = {}
        self._active: dict[Any, tuple[Slot, list[Slot]]] = {}
        self._failed: list[tuple[object, Reply]] = []
        _clients.add(self)

    @property
    def in_flight(self) -> int:
        """Requests submitted and not yet returned by `poll`."""
        return len(self._active) + len(self._failed)

    @property
    def capacity(self) -> int:
        """How many more requests `submit` accepts now."""
        return self.max_in_flight - self.in_flight

    def tags_in_flight(self) -> Iterator[object]:
        """The tags of the requests in flight."""
        return (slot.tag for slot, _ in self._active.values())

    def submit(self, request: HttpRequest, tag: object) -> None:
        """Start a request. A malformed one fails through `poll` like any other. Raises ClientFull."""
        if self._multi is None:
            self._start()
        if self.capacity <= 0:
            raise ClientFull
        scheme = request.url.partition("://")[0]
        free = self._free.get(scheme)
        if free is None:
            self._failed.append((tag, TransportFailure(FailureKind.REFUSED_ADDRESS, "neither https nor http")))
            return
        slot = free.pop() if free else self._new_slot(tls=scheme == "https")
        try:
            slot.prepare(request)
            self._multi.add_handle(slot.curl)
        except (ValueError, TypeError, pycurl.error):
            free.append(slot)
            self._failed.append((tag, TransportFailure(FailureKind.OTHER, "the request is malformed")))
            return
        slot.tag = tag
        self._active[slot.curl] = slot, free

    def poll(self, timeout: float) -> list[tuple[object, Reply]]:
        """The responses that have arrived, after waiting up to `timeout` seconds for the first.

        Empty when no request is in flight.
        """
        if not self.in_flight:
            return []
        done = self._failed
        self._failed = []
        deadline = time.monotonic() + timeout
        while True:
            self._turn(0.0 if done else max(0.0, deadline - time.monotonic()))
            done += self._completed()
            if done or not self._active or time.monotonic() >= deadline:
                return done

    def close(self) -> None:
        """Abandon what is in flight and close every connection."""
        if self._multi is None:
            return
        for curl, (slot, _) in self._active.items():
            self._multi.remove_handle(curl)
            slot.clear()
        self._multi.close()
        self._epoll.close()
        self._multi = None
        self._active, self._failed = {}, []

    def leave_to_parent(self) -> None:
        """In a forked child: keep the parent's handles untouched. Freeing them would end the parent's TLS sessions."""
        self._inherited.append((self._multi, self._active, self._free))
        self._multi = None
        self._active, self._failed = {}, []

    def _start(self) -> None:
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, self.max_in_flight)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._epoll = select.epoll()
        self._watched, self._timer, self._timeouts = {}, None, []
        # libcurl calls it twice for each request, so it is a C function. Of the timeouts that libcurl asks for
        # (milliseconds, -1 for none) the last one is valid.
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._timeouts.append)
        self._free = {"https": [], "http": []}

    def _turn(self, wait: float) -> None:
        """Let libcurl handle its timer and the sockets that are ready."""
        action = self._multi.socket_action
        self._set_timer()
        if self._timer is not None:
            wait = min(wait, max(0.0, self._timer - time.monotonic()))
        for fd, event in self._epoll.poll(wait):
            mask = (event & select.EPOLLIN and pycurl.CSELECT_IN) | (event & select.EPOLLOUT and pycurl.CSELECT_OUT)
            action(fd, mask or pycurl.CSELECT_ERR)
        self._set_timer()
        if self._timer is not None and self._timer <= time.monotonic():
            self._timer = None
            action(pycurl.SOCKET_TIMEOUT, 0)

    def _completed(self) -> list[tuple[object, Reply]]:
        done: list[tuple[object, Reply]] = []
        more = 1
        while more:
            more, succeeded, failed = self._multi.info_read(256)
            done += [self._release(curl, 0) for curl in succeeded]
            done += [self._release(curl, code) for curl, code, _ in failed]
        return done

    def _release(self, curl: Any, code: int) -> tuple[object, Reply]:
        self._multi.remove_handle(curl)
        slot, free = self._active.pop(curl)
        reply: Reply = slot.failure(code) if code else slot.response()
        tag = slot.tag
        slot.clear()
        free.append(slot)
        return tag, reply

    def _watch(self, what: int, fd: int, _multi: object, _data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            if self._watched.pop(fd, None) is not None:
                self._forget(fd)
            return
        events = _EVENTS[what]
        known = self._watched.get(fd)
        if known is None:
            self._epoll.register(fd, events)
        elif known != events:
            self._epoll.modify(fd, events)
        self._watched[fd] = events

    def _forget(self, fd: int) -> None:
        try:
            self._epoll.unregister(fd)
        except OSError:  # closed before libcurl reported it: the kernel has removed it already
            return

    def _set_timer(self) -> None:
        if self._timeouts:
            milliseconds = self._timeouts[-1]
            self._timeouts.clear()
            self._timer = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000


def fetch(
    request: HttpRequest, *, policy: NetworkPolicy, limits: Limits | None = None, ca_file: str | None = None
) -> HttpResponse:
    """One request with the same checks, for callers outside the dispatcher. Raises TransportError."""
    client = Client(policy, max_in_flight=1, limits=limits, ca_file=ca_file)
    try:
        client.submit(request, None)
        while not (done := client.poll(60.0)):
            continue
    finally:
        client.close()
    reply = done[0][1]
    if isinstance(reply, TransportFailure):
        raise TransportError(reply)
    return reply
