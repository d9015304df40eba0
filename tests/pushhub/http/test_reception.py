"""Slow clients use threads that only wait. The thread that handles requests never waits for a client."""

import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from io import BytesIO
from threading import Event, Thread, current_thread
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from django.http import StreamingHttpResponse
from django.test import RequestFactory

from pushhub.embedded.process import wait_until
from pushhub.embedded.stage import Stage
from pushhub.http.patience import respond_after
from pushhub.http.reception import AT_ONCE, MAY_WAIT, Environ, Reception, StartResponse, Way
from pushhub.wsgi import application as service_application
from pushhub.wsgi import way_of

LIMIT = 10
SLOW_CLIENTS = 20
FOUR_BLOCKS = b"no,header,that,means,anything\n" * 8_800


class ListResponse(list[bytes]):
    """A response without Django's `close`, which would use the database connection of this thread."""

    streaming = False


class Application:
    """Returns the body that it read, and remembers the threads that called it."""

    def __init__(self) -> None:
        self.threads: set[str] = set()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        self.threads.add(current_thread().name)
        return ListResponse([b"".join(iter(lambda: environ["wsgi.input"].read(4), b""))])


class SlowInput:
    """An input that blocks until `released` is set."""

    def __init__(self) -> None:
        self.reached, self.released = Event(), Event()

    def read(self, size: int) -> bytes:
        self.reached.set()
        self.released.wait(30)
        return b""


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def reception(application: Application) -> Reception:
    return Reception(application, limit=LIMIT)


def send(reception: Reception, body: Any, length: str = "", **more: Any) -> bytes:
    """Sends a request. Returns the body of the response."""
    source = BytesIO(body) if isinstance(body, bytes) else body
    environ = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": length, "wsgi.input": source, **more}
    return b"".join(reception(environ, lambda *_: None))


def test_senders_that_never_finish_do_not_delay_others(reception: Reception) -> None:
    slow = SlowInput()
    waiting = [Thread(target=send, args=(reception, slow, "5")) for _ in range(SLOW_CLIENTS)]
    for thread in waiting:
        thread.start()
    assert send(reception, b"quick", "5") == b"quick"
    slow.released.set()
    for thread in waiting:
        thread.join()


def test_one_thread_handles_small_bodies(reception: Reception, application: Application) -> None:
    threads = [Thread(target=send, args=(reception, b"small", "5")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(application.threads) == 1


@pytest.mark.parametrize(
    ("body", "length", "more"),
    [
        (b"", "", {}),
        (b"x" * LIMIT, str(LIMIT), {}),
        (b"x" * (3 * LIMIT), str(3 * LIMIT), {}),
        (b"x" * LIMIT, "", {"wsgi.input_terminated": True}),
        (bytes(range(30)), "", {"wsgi.input_terminated": True}),
    ],
    ids=["none", "small", "large", "chunked", "large, chunked"],
)
def test_every_byte_arrives(reception: Reception, body: bytes, length: str, more: Any) -> None:
    assert send(reception, body, length, **more) == body


def test_a_large_chunked_body_is_refused_with_413() -> None:
    environ = RequestFactory().post("/v1/receipts").environ | {"CONTENT_LENGTH": ""}
    environ |= {"wsgi.input": BytesIO(bytes(2_000_000)), "wsgi.input_terminated": True}
    statuses: list[str] = []
    list(service_application(environ, lambda status, headers: statuses.append(status)))
    assert statuses == ["413 Request Entity Too Large"]


def test_the_receiving_thread_handles_a_large_body(reception: Reception, application: Application) -> None:
    send(reception, b"x" * 99, "99")
    assert application.threads == {current_thread().name}


def test_uploads_above_the_limit_are_refused(reception: Reception) -> None:
    slow, results = SlowInput(), Counter[str]()
    uploads = AT_ONCE + MAY_WAIT

    def upload() -> None:
        results["refused" if b"Too many requests" in send(reception, slow, "99") else "accepted"] += 1

    waiting = [Thread(target=upload) for _ in range(uploads + 8)]
    for thread in waiting:
        thread.start()
    wait_until(lambda: results["refused"] == 8, seconds=10)
    assert send(reception, b"quick", "5") == b"quick"
    slow.released.set()
    for thread in waiting:
        thread.join()
    assert results == {"refused": 8, "accepted": uploads}


def test_requests_that_wait_do_not_delay_others() -> None:
    waits = Event()

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/slow":
            waits.wait(30)
        return ListResponse([b"done"])

    reception = Reception(application, limit=LIMIT, way=lambda path: Way.WAITING if path == "/slow" else Way.NORMAL)
    waiting = [Thread(target=lambda: send(reception, b"", PATH_INFO="/slow")) for _ in range(AT_ONCE + MAY_WAIT)]
    for thread in waiting:
        thread.start()
    wait_until(lambda: b"Too many" in send(reception, b"", PATH_INFO="/slow"), seconds=10)
    assert send(reception, b"", PATH_INFO="/quick") == b"done"
    waits.set()
    for thread in waiting:
        thread.join()


def test_livez_responds_while_another_request_hangs() -> None:
    ends = Event()

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/livez":
            ends.wait(30)
        return ListResponse([b"ok"])

    reception = Reception(application, limit=LIMIT, way=way_of)
    hanging = Thread(target=lambda: send(reception, b"", PATH_INFO="/v1/events"))
    hanging.start()
    assert send(reception, b"", PATH_INFO="/livez") == b"ok"
    ends.set()
    hanging.join()


def test_a_delayed_response_does_not_delay_others() -> None:
    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        respond_after(0.2)
        return ListResponse([b"done"])

    reception = Reception(application, limit=LIMIT)
    started, seconds = monotonic(), list[float]()

    def delayed() -> None:
        send(reception, b"")
        seconds.append(monotonic() - started)

    waiting = [Thread(target=delayed) for _ in range(30)]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()
    assert min(seconds) >= 0.2
    assert max(seconds) < 30 * 0.2


def test_respond_after_sleeps_outside_of_a_request() -> None:
    started = monotonic()
    respond_after(0.05)
    assert monotonic() - started >= 0.05


@pytest.mark.parametrize(
    ("path", "way"),
    [
        ("/v1/notifications", Way.NORMAL),
        ("/readyz", Way.NORMAL),
        ("/livez", Way.PROBE),
        ("/metrics", Way.WAITING),
        ("/v1/avatars/0199f3a0-0000-7000-8000-000000000000", Way.NORMAL),
        ("/v1/avatars/0199f3a0-0000-7000-8000-000000000000:complete", Way.WAITING),
        ("/callbacks/s3", Way.WAITING),
        ("/admin/login/", Way.WAITING),
        ("/avatars/upload", Way.UPLOAD),
        ("/v1/devices:import", Way.UPLOAD),
    ],
)
def test_each_path_has_its_way(path: str, way: Way) -> None:
    assert way_of(path) is way


def test_a_body_may_be_shorter_than_declared(reception: Reception) -> None:
    assert send(reception, b"half", "8") == b"half"


def test_the_receiving_thread_sends_a_streamed_response() -> None:
    def pieces() -> Iterator[bytes]:
        yield current_thread().name.encode()

    reception = Reception(lambda *_: StreamingHttpResponse(pieces()), limit=LIMIT)
    assert send(reception, b"") == current_thread().name.encode()


def test_an_error_of_the_application_reaches_the_server() -> None:
    def broken(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        send(Reception(broken, limit=LIMIT), b"")


def test_slow_senders_do_not_stop_the_service(service: Stage) -> None:
    parts = urlsplit(service.url)
    head = f"POST /v1/receipts HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    slow = [socket.create_connection((parts.hostname or "", parts.port or 0)) for _ in range(SLOW_CLIENTS)]
    for connection in slow:
        connection.sendall(f'{head}Content-Length: 100\r\n\r\n{{"rec'.encode())
    with urlopen(f"{service.url}/livez", timeout=20) as response:
        assert response.status == 200
    for connection in slow:
        connection.close()


def test_an_upload_that_is_refused_early_has_its_response_after_the_last_read() -> None:
    slow, responses = SlowInput(), list[bytes]()

    def refusing(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        Thread(target=environ["wsgi.input"].read, args=(1,)).start()
        assert slow.reached.wait(5)
        return ListResponse([b"refused"])

    sending = Thread(target=lambda: responses.append(send(Reception(refusing, limit=LIMIT), slow, "99")))
    sending.start()
    sending.join(0.2)
    assert responses == []
    slow.released.set()
    sending.join(5)
    assert responses == [b"refused"]


def test_clients_that_stay_silent_after_an_early_refusal_do_not_stop_the_service(service: Stage) -> None:
    parts = urlsplit(service.url)
    head = f"POST /v1/devices:import HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {service.server_key}\r\n"
    silent = [socket.create_connection((parts.hostname or "", parts.port or 0)) for _ in range(8)]
    for connection in silent:
        connection.sendall(f"{head}Content-Type: text/csv\r\nContent-Length: 9000000\r\n\r\n".encode() + FOUR_BLOCKS)
    for _ in range(20):
        with urlopen(f"{service.url}/readyz", timeout=20) as response:
            assert response.status == 200
        sleep(0.1)
    for connection in silent:
        connection.close()
