"""The event loop waits for clients; threads get requests whose bodies are complete."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from threading import Event, current_thread
from time import monotonic
from typing import Any

import pytest

from pushhub.http.bridge import Bridge
from pushhub.http.response_delay import respond_after
from tests.pushhub.http.asgi import SMALL, Exchange, Response, bridge, pool

CHUNKED = {"transfer_encoding": "chunked"}


def request(application: Bridge, *blocks: bytes, then: str = "end", path: str = "/", **headers: str) -> Exchange:
    return asyncio.run(Exchange(*blocks, then=then).run(application, path, **headers))


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("headers", [CHUNKED, {"content_length": "90000"}], ids=["chunked", "with a length"])
def test_every_byte_arrives(streams: bool, headers: dict[str, str]) -> None:
    blocks = [bytes([number]) * 15_000 for number in range(6)]
    assert request(bridge(streams=streams), *blocks, **headers).body == b"".join(blocks)


def test_django_gets_the_length_of_a_chunked_body() -> None:
    assert request(bridge(), b"abc", b"de", **CHUNKED).headers[b"x-length"] == b"5"


def test_a_request_without_a_body_waits_for_none() -> None:
    assert request(bridge(), then="silent").status == 200


def test_a_body_larger_than_the_limit_is_not_read() -> None:
    refused = request(bridge(), b"x" * 9, content_length="100001")
    assert (refused.received, refused.headers[b"x-length"]) == ([], b"100001")


def test_a_chunked_body_is_read_only_up_to_the_limit() -> None:
    refused = request(bridge(), *[b"x" * 60_000] * 5, **CHUNKED)
    assert (len(refused.received), refused.headers[b"x-length"]) == (2, b"120000")


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
def test_a_slow_body_gets_a_408_and_no_thread(streams: bool) -> None:
    def never(*_: Any) -> Response:
        raise AssertionError

    slow = request(bridge(never, streams=streams), b"{", then="silent", content_length="9")
    assert (slow.status, slow.headers[b"connection"], b"request_timeout" in slow.body) == (408, b"close", True)


def test_a_body_that_is_cut_off_reaches_no_thread() -> None:
    assert request(bridge(), b"[1]", then="gone", **CHUNKED).status == 0


def test_an_upload_whose_client_is_slow_raises_a_timeout() -> None:
    errors: list[type[BaseException]] = []

    def reader(environ: dict[str, Any], start_response: Any) -> Response:
        try:
            environ["wsgi.input"].read(200_000)
        except OSError as error:
            errors.append(type(error))
        start_response("408 Request Timeout", [])
        return Response()

    for then in ("silent", "gone"):
        request(bridge(reader, streams=True), b"x" * 70_000, b"x", then=then, content_length="200000")
    assert issubclass(errors[0], TimeoutError)
    assert issubclass(errors[1], ConnectionError)


def test_an_upload_is_received_when_the_thread_asks_for_it() -> None:
    client = Exchange(*[b"x" * 65_536] * 10)
    counts: list[int] = []

    def reader(environ: dict[str, Any], start_response: Any) -> Response:
        environ["wsgi.input"].read(65_536)
        counts.append(len(client.received))
        start_response("200 OK", [])
        return Response()

    asyncio.run(client.run(bridge(reader, streams=True), content_length="655360"))
    assert counts[0] <= 2
    assert len(client.received) <= 2


async def _waiting(application: Bridge, count: int, path: str) -> list[asyncio.Task[Exchange]]:
    tasks = [asyncio.create_task(Exchange().run(application, path)) for _ in range(count)]
    await asyncio.sleep(0.1)
    return tasks


class Blocked:
    """An application that waits, except for the path /free."""

    def __init__(self) -> None:
        self.released = Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Response:
        if environ["PATH_INFO"] != "/free":
            assert self.released.wait(10)
        start_response("200 OK", [])
        return Response()


def test_requests_beyond_the_places_of_their_kind_get_a_503_and_others_pass() -> None:
    blocked, pools = Blocked(), {"/free": pool(), "/full": pool()}
    application = bridge(blocked, pool_of=lambda path: pools[path])

    async def run() -> tuple[Exchange, Exchange, list[Exchange]]:
        waiting = await _waiting(application, 4, "/full")
        refused, free = await Exchange().run(application, "/full"), await Exchange().run(application, "/free")
        blocked.released.set()
        return refused, free, await asyncio.gather(*waiting)

    refused, free, served = asyncio.run(run())
    assert (refused.status, refused.headers[b"retry-after"], free.status) == (503, b"2", 200)
    assert [exchange.status for exchange in served] == [200] * 4


def test_one_client_leaves_places_to_others() -> None:
    blocked = Blocked()
    only = pool(per_peer=2)
    application = bridge(blocked, pool_of=lambda _: only, proxies=1)

    async def run() -> list[int]:
        async def client(address: str) -> int:
            return (await Exchange().run(application, x_forwarded_for=address)).status

        own = [asyncio.create_task(client("192.0.2.7")) for _ in range(3)]
        await asyncio.sleep(0.1)
        other = asyncio.create_task(client("192.0.2.8"))
        await asyncio.sleep(0.1)
        blocked.released.set()
        return await asyncio.gather(*own, other)

    assert asyncio.run(run()) == [200, 200, 503, 200]


def test_livez_needs_no_thread() -> None:
    blocked = Blocked()
    application = bridge(blocked)

    async def run() -> Exchange:
        waiting = await _waiting(application, 4, "/")
        probe = await Exchange().run(application, "/livez", method="GET")
        blocked.released.set()
        await asyncio.gather(*waiting)
        return probe

    probe = asyncio.run(run())
    assert (probe.status, probe.body) == (200, b'{"status": "ok"}')


def test_memory_for_bodies_is_bounded_and_small_bodies_need_none() -> None:
    application = bridge(limits=replace(SMALL, memory_bytes=160_000))  # of which one client has 40,000

    async def run() -> list[int]:
        slow = [Exchange(b"x" * 50_000, then="silent").run(application, content_length="60000") for _ in range(2)]
        small = Exchange(b"x" * 16_000).run(application, content_length="16000")
        return [exchange.status for exchange in await asyncio.gather(*slow, small)]

    assert asyncio.run(run()) == [408, 503, 200]
    assert request(application, b"x" * 50_000, content_length="50000").status == 200


def test_a_delayed_response_waits_without_a_thread() -> None:
    def application(_: Any, start_response: Any) -> Response:
        respond_after(0.2)
        start_response("200 OK", [])
        return Response()

    many = pool(threads=1, waiting=49, per_peer=50)
    delaying = bridge(application, pool_of=lambda _: many)

    async def run() -> list[float]:
        async def seconds() -> float:
            started = monotonic()
            await Exchange().run(delaying)
            return monotonic() - started

        return await asyncio.gather(*(seconds() for _ in range(50)))

    taken = asyncio.run(run())
    assert min(taken) >= 0.2
    assert max(taken) < 50 * 0.2


def test_respond_after_sleeps_outside_of_a_request() -> None:
    started = monotonic()
    respond_after(0.05)
    assert monotonic() - started >= 0.05


class Streamed:
    """A streamed response of ten blocks."""

    streaming = True

    def __init__(self) -> None:
        self.produced: list[str] = []
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(10):
            self.produced.append(current_thread().name)
            yield b"x" * 65_536

    def close(self) -> None:
        self.closed = True

    def __call__(self, _: Any, start_response: Any) -> "Streamed":
        start_response("200 OK", [])
        return self


def test_threads_of_the_pool_produce_a_streamed_response() -> None:
    response = Streamed()
    client = request(bridge(response))
    assert (len(client.body), client.complete, response.closed) == (655_360, True, True)
    assert {name.partition("_")[0] for name in response.produced} == {"test"}


@pytest.mark.parametrize("client", [Exchange(reads=False), Exchange(then="gone")], ids=["does not read", "has gone"])
def test_a_streamed_response_ends_with_its_client(client: Exchange) -> None:
    response = Streamed()
    asyncio.run(client.run(bridge(response), method="GET"))
    assert response.closed
    assert len(response.produced) < 10


def test_a_large_response_that_is_not_read_is_not_completed() -> None:
    client = Exchange(b"x" * 90_000, reads=False)
    asyncio.run(client.run(bridge(), content_length="90000"))
    assert not client.complete


def test_an_error_of_the_application_reaches_the_server() -> None:
    def broken(*_: Any) -> Response:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        request(bridge(broken))


@pytest.mark.parametrize(("path", "status"), [("/v1/apps", 400), ("/readyz", 200)])
def test_a_request_past_the_proxy_is_refused_unless_it_is_a_probe(path: str, status: int) -> None:
    strict = bridge(proxies=1, strict=True, probed=frozenset({"/readyz"}))
    assert request(strict, path=path).status == status
    assert request(strict, path=path, x_forwarded_for="192.0.2.7").status == 200


def test_django_gets_the_address_that_the_trusted_proxy_reports() -> None:
    def address(environ: dict[str, Any], start_response: Any) -> Response:
        start_response("200 OK", [])
        return Response([environ["REMOTE_ADDR"].encode()])

    assert request(bridge(address, proxies=1), x_forwarded_for="10.0.0.1, 192.0.2.7").body == b"192.0.2.7"
    assert request(bridge(address), x_forwarded_for="192.0.2.7").body == b"192.0.2.1"
    assert request(bridge(address, proxies=1)).body == b"192.0.2.1"
