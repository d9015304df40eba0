"""Slow clients hold a thread that only waits; requests are worked on by one that never waits for a client."""

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
from pushhub.http.patience import answer_after
from pushhub.http.reception import AT_ONCE, MAY_WAIT, Environ, Reception, StartResponse, Way
from pushhub.wsgi import application as service_application
from pushhub.wsgi import way_of

LIMIT = 10
SLOW_CLIENTS = 20
FOUR_BLOCKS = b"no,header,that,means,anything\n" * 8_800


class Answer(list[bytes]):
    """Django's own would look at this thread's database connection when it is closed."""

    streaming = False


class Application:
    """Answers the body it read, and remembers the thread it worked in."""

    def __init__(self) -> None:
        self.threads: set[str] = set()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        self.threads.add(current_thread().name)
        return Answer([b"".join(iter(lambda: environ["wsgi.input"].read(4), b""))])


class SlowInput:
    """Gives nothing until it is told to."""

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


def asked(reception: Reception, body: Any, length: str = "", **more: Any) -> bytes:
    source = BytesIO(body) if isinstance(body, bytes) else body
    environ = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": length, "wsgi.input": source, **more}
    return b"".join(reception(environ, lambda *_: None))


def test_a_sender_that_never_ends_keeps_nobody_waiting(reception: Reception) -> None:
    slow = SlowInput()
    waiting = [Thread(target=asked, args=(reception, slow, "5")) for _ in range(SLOW_CLIENTS)]
    for thread in waiting:
        thread.start()
    assert asked(reception, b"quick", "5") == b"quick"
    slow.released.set()
    for thread in waiting:
        thread.join()


def test_small_bodies_are_worked_on_by_one_thread(reception: Reception, application: Application) -> None:
    threads = [Thread(target=asked, args=(reception, b"small", "5")) for _ in range(8)]
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
    assert asked(reception, body, length, **more) == body


def test_a_large_chunked_body_is_refused_as_described() -> None:
    environ = RequestFactory().post("/v1/receipts").environ | {"CONTENT_LENGTH": ""}
    environ |= {"wsgi.input": BytesIO(bytes(2_000_000)), "wsgi.input_terminated": True}
    answered: list[str] = []
    list(service_application(environ, lambda status, headers: answered.append(status)))
    assert answered == ["413 Request Entity Too Large"]


def test_a_large_body_is_read_by_the_thread_that_receives_it(reception: Reception, application: Application) -> None:
    asked(reception, b"x" * 99, "99")
    assert application.threads == {current_thread().name}


def test_more_uploads_than_may_wait_are_told_to_come_later(reception: Reception) -> None:
    slow, answered = SlowInput(), Counter[str]()
    uploads = AT_ONCE + MAY_WAIT

    def upload() -> None:
        answered["later" if b"Too many of these" in asked(reception, slow, "99") else "taken"] += 1

    waiting = [Thread(target=upload) for _ in range(uploads + 8)]
    for thread in waiting:
        thread.start()
    wait_until(lambda: answered["later"] == 8, seconds=10)
    assert asked(reception, b"quick", "5") == b"quick"
    slow.released.set()
    for thread in waiting:
        thread.join()
    assert answered == {"later": 8, "taken": uploads}


def test_requests_that_wait_for_somebody_keep_no_others_waiting() -> None:
    waits = Event()

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/slow":
            waits.wait(30)
        return Answer([b"answer"])

    reception = Reception(application, limit=LIMIT, way=lambda path: Way.WAITING if path == "/slow" else Way.QUICK)
    waiting = [Thread(target=lambda: asked(reception, b"", PATH_INFO="/slow")) for _ in range(AT_ONCE + MAY_WAIT)]
    for thread in waiting:
        thread.start()
    wait_until(lambda: b"Too many" in asked(reception, b"", PATH_INFO="/slow"), seconds=10)
    assert asked(reception, b"", PATH_INFO="/quick") == b"answer"
    waits.set()
    for thread in waiting:
        thread.join()


def test_a_process_that_hangs_still_lives() -> None:
    ends = Event()

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/livez":
            ends.wait(30)
        return Answer([b"ok"])

    reception = Reception(application, limit=LIMIT, way=way_of)
    hanging = Thread(target=lambda: asked(reception, b"", PATH_INFO="/v1/events"))
    hanging.start()
    assert asked(reception, b"", PATH_INFO="/livez") == b"ok"
    ends.set()
    hanging.join()


def test_an_answer_that_must_not_leave_yet_keeps_no_others_waiting() -> None:
    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/held":
            answer_after(0.2)
        return Answer([b"answer"])

    reception = Reception(application, limit=LIMIT)
    started, took = monotonic(), list[float]()

    def held() -> None:
        asked(reception, b"", PATH_INFO="/held")
        took.append(monotonic() - started)

    waiting = [Thread(target=held) for _ in range(30)]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()
    assert min(took) >= 0.2
    assert max(took) < 30 * 0.2


def test_where_nobody_keeps_the_answer_the_time_is_waited_out() -> None:
    started = monotonic()
    answer_after(0.05)
    assert monotonic() - started >= 0.05


@pytest.mark.parametrize(
    ("path", "way"),
    [
        ("/v1/notifications", Way.QUICK),
        ("/readyz", Way.QUICK),
        ("/livez", Way.PROBE),
        ("/metrics", Way.WAITING),
        ("/v1/avatars/0199f3a0-0000-7000-8000-000000000000", Way.QUICK),
        ("/v1/avatars/0199f3a0-0000-7000-8000-000000000000:complete", Way.WAITING),
        ("/callbacks/s3", Way.WAITING),
        ("/admin/login/", Way.WAITING),
        ("/avatars/upload", Way.UPLOAD),
        ("/v1/devices:import", Way.UPLOAD),
    ],
)
def test_what_may_wait_for_somebody_goes_a_way_of_its_own(path: str, way: Way) -> None:
    assert way_of(path) is way


def test_a_sender_that_goes_away_leaves_a_short_body(reception: Reception) -> None:
    assert asked(reception, b"half", "8") == b"half"


def test_a_stream_leaves_piece_by_piece() -> None:
    def pieces() -> Iterator[bytes]:
        yield current_thread().name.encode()

    reception = Reception(lambda *_: StreamingHttpResponse(pieces()), limit=LIMIT)
    assert asked(reception, b"") == current_thread().name.encode()


def test_a_fault_of_the_application_reaches_the_server() -> None:
    def broken(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asked(Reception(broken, limit=LIMIT), b"")


def test_strangers_that_send_slowly_stop_nobody(service: Stage) -> None:
    parts = urlsplit(service.url)
    head = f"POST /v1/receipts HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    slow = [socket.create_connection((parts.hostname or "", parts.port or 0)) for _ in range(SLOW_CLIENTS)]
    for connection in slow:
        connection.sendall(f'{head}Content-Length: 100\r\n\r\n{{"rec'.encode())
    with urlopen(f"{service.url}/livez", timeout=20) as answer:
        assert answer.status == 200
    for connection in slow:
        connection.close()


def test_an_upload_refused_in_the_middle_is_answered_when_nobody_reads_it_any_more() -> None:
    slow, answers = SlowInput(), list[bytes]()

    def refusing(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        Thread(target=environ["wsgi.input"].read, args=(1,)).start()
        assert slow.reached.wait(5)
        return Answer([b"refused"])

    answering = Thread(target=lambda: answers.append(asked(Reception(refusing, limit=LIMIT), slow, "99")))
    answering.start()
    answering.join(0.2)
    assert answers == []
    slow.released.set()
    answering.join(5)
    assert answers == [b"refused"]


def test_a_stranger_whose_upload_was_refused_in_the_middle_stops_nobody(service: Stage) -> None:
    """And says no more, and does not go."""
    parts = urlsplit(service.url)
    head = f"POST /v1/devices:import HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {service.server_key}\r\n"
    silent = [socket.create_connection((parts.hostname or "", parts.port or 0)) for _ in range(8)]
    for connection in silent:
        connection.sendall(f"{head}Content-Type: text/csv\r\nContent-Length: 9000000\r\n\r\n".encode() + FOUR_BLOCKS)
    for _ in range(20):
        with urlopen(f"{service.url}/readyz", timeout=20) as answer:
            assert answer.status == 200
        sleep(0.1)
    for connection in silent:
        connection.close()
