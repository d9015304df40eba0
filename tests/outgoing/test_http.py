"""The outgoing client against a server that misbehaves on request."""

import os
import socket
from typing import Any

import pycurl
import pytest

from outgoing.http import Client, ClientFull, fetch
from outgoing.network import NetworkPolicy
from outgoing.transfer import Limits, Slot, default_ca_file, headers_parse
from outgoing.types import FailureKind, HttpRequest, HttpResponse, TransportError, TransportFailure
from tests.outgoing.conftest import LOOPBACK

Answer = HttpResponse | TransportFailure
NOWHERE = NetworkPolicy()


def answers(client: Client) -> dict[object, Answer]:
    found: dict[object, Answer] = {}
    while client.in_flight:
        found.update(client.poll(5.0))
    return found


def one(client: Client, url: str, **request: Any) -> Answer:
    client.submit(HttpRequest(url, **request), "tag")
    return answers(client)["tag"]


def failure_kind(client: Client, url: str) -> FailureKind:
    answer = one(client, url)
    assert isinstance(answer, TransportFailure), answer
    return answer.kind


def test_it_returns_status_headers_and_body(client: Client, rude_url: str) -> None:
    answer = one(client, f"{rude_url}/ok")
    assert isinstance(answer, HttpResponse)
    assert (answer.status, answer.headers["location"], answer.body) == (201, "https://push.example/m/1", b"fine")
    assert 0 < answer.elapsed < 1


def test_it_sends_headers_and_body_as_given(client: Client, rude_url: str, seen: list[Any]) -> None:
    one(client, f"{rude_url}/ok", headers={"TTL": "60", "Content-Type": "a/b"}, body=b"\x00\xff")
    _, headers, body = seen[0]
    assert (headers["ttl"], headers["content-type"], body) == ("60", "a/b", b"\x00\xff")
    assert "expect" not in headers


def test_it_can_get(rude_url: str, seen: list[Any]) -> None:
    assert fetch(HttpRequest(f"{rude_url}/ok", method="GET"), policy=LOOPBACK).body == b"fine"
    assert seen[0][2] == b""


def test_a_handle_used_again_carries_nothing_over(client: Client, rude_url: str, seen: list[Any]) -> None:
    one(client, f"{rude_url}/ok", headers={"Topic": "secret"}, body=b"first")
    answer = one(client, f"{rude_url}/slow", method="GET")
    assert "topic" not in seen[1][1]
    assert isinstance(answer, HttpResponse)
    assert (answer.body, "location" in answer.headers) == (b"", False)


def test_headers_that_requests_share_are_sent_with_each(client: Client, rude_url: str, seen: list[Any]) -> None:
    headers = {"TTL": "60"}
    for _ in range(2):
        one(client, f"{rude_url}/ok", headers=headers)
    assert [sent["ttl"] for _, sent, _ in seen] == ["60", "60"]


def test_answers_come_in_the_order_they_complete(client: Client, rude_url: str) -> None:
    client.submit(HttpRequest(f"{rude_url}/slow"), "slow")
    client.submit(HttpRequest(f"{rude_url}/ok"), "fast")
    assert list(answers(client)) == ["fast", "slow"]


def test_it_counts_what_is_in_flight(client: Client, rude_url: str) -> None:
    client.submit(HttpRequest(f"{rude_url}/ok"), 1)
    client.submit(HttpRequest(f"{rude_url}/ok"), 2)
    assert client.in_flight == 2
    answers(client)
    assert client.in_flight == 0


def test_it_takes_no_more_than_it_may(client: Client, rude_url: str) -> None:
    for tag in range(8):
        client.submit(HttpRequest(f"{rude_url}/slow"), tag)
    with pytest.raises(ClientFull):
        client.submit(HttpRequest(f"{rude_url}/ok"), 9)
    assert len(answers(client)) == 8


def test_connections_outlive_a_batch(client: Client, rude_url: str) -> None:
    opened: list[int] = []
    for _ in range(3):
        one(client, f"{rude_url}/ok")
        opened.append(client._free["http"][0].curl.getinfo(pycurl.NUM_CONNECTS))
    assert opened == [1, 0, 0]


def test_a_redirect_is_not_followed(client: Client, rude_url: str, seen: list[Any]) -> None:
    answer = one(client, f"{rude_url}/redirect")
    assert isinstance(answer, HttpResponse)
    assert answer.status == 307
    assert [path for path, _, _ in seen] == ["/redirect"]


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy", "ALL_PROXY"])
def test_proxy_variables_are_ignored(
    client: Client, rude_url: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    answer = one(client, f"{rude_url}/ok")
    assert isinstance(answer, HttpResponse), answer


def test_a_hanging_server_times_out(rude_url: str) -> None:
    with pytest.raises(TransportError) as caught:
        fetch(HttpRequest(f"{rude_url}/hang"), policy=LOOPBACK, limits=Limits(total_timeout=0.3))
    assert caught.value.failure.kind == FailureKind.TIMEOUT
    assert 0.25 < caught.value.failure.elapsed < 1.5


@pytest.mark.parametrize("path", ["big", "endless"])
def test_an_oversized_answer_is_cut_short(client: Client, rude_url: str, path: str) -> None:
    assert failure_kind(client, f"{rude_url}/{path}") == FailureKind.TOO_LARGE


def test_a_reset_is_told_apart(client: Client, rude_url: str) -> None:
    assert failure_kind(client, f"{rude_url}/reset") == FailureKind.RESET


def test_a_closed_port_is_told_apart(client: Client) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert failure_kind(client, f"http://127.0.0.1:{unused.getsockname()[1]}/") == FailureKind.CONNECT


def test_an_unknown_name_is_told_apart(client: Client) -> None:
    assert failure_kind(client, "https://nowhere.invalid/") in (FailureKind.DNS, FailureKind.TIMEOUT)


def test_plain_text_on_a_tls_port_is_told_apart(client: Client, rude_url: str) -> None:
    assert failure_kind(client, rude_url.replace("http:", "https:")) == FailureKind.TLS


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/",
        "https://localhost/",
        "https://127.1/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://100.64.0.1/",
        "https://10.0.0.1/",
        "https://0.0.0.0/",
    ],
)
def test_private_peers_are_refused_at_the_socket(url: str) -> None:
    with pytest.raises(TransportError) as caught:
        fetch(HttpRequest(url), policy=NOWHERE, limits=Limits(1, 2))
    assert caught.value.failure.kind == FailureKind.REFUSED_ADDRESS


def test_a_name_that_resolves_to_loopback_is_refused(rude_url: str, seen: list[Any]) -> None:
    port = rude_url.rpartition(":")[2]
    with pytest.raises(TransportError) as caught:
        fetch(HttpRequest(f"http://localhost:{port}/ok"), policy=NOWHERE)
    assert caught.value.failure.kind == FailureKind.REFUSED_ADDRESS
    assert seen == []


def test_the_same_name_is_reached_where_the_operator_allows_it(rude_url: str) -> None:
    url = f"http://localhost:{rude_url.rpartition(':')[2]}/ok"
    assert fetch(HttpRequest(url), policy=LOOPBACK).status == 201


@pytest.mark.parametrize(("path", "kind"), [("hang", FailureKind.TIMEOUT), ("reset", FailureKind.RESET)])
def test_one_refused_address_beside_an_allowed_one_refuses_nothing(rude_url: str, path: str, kind: FailureKind) -> None:
    port = rude_url.rpartition(":")[2]
    slot = Slot(LOOPBACK, Limits(1, 1), default_ca_file(), tls=False)
    slot.prepare(HttpRequest(f"http://push.example:{port}/{path}"))
    slot.curl.setopt(pycurl.RESOLVE, [f"push.example:{port}:10.0.0.1,127.0.0.1"])
    with pytest.raises(pycurl.error) as caught:
        slot.curl.perform()
    assert (slot.refused, slot.failure(caught.value.args[0]).kind) == (True, kind)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1", "gopher://127.0.0.1:70/", ""])
def test_other_schemes_are_refused(client: Client, url: str) -> None:
    assert failure_kind(client, url) == FailureKind.REFUSED_ADDRESS


@pytest.mark.parametrize(
    "request_",
    [
        HttpRequest("http://127.0.0.1:1/", headers={"X": "a\r\nY: b"}),
        HttpRequest("http://127.0.0.1:1/", method="TRACE"),
        HttpRequest("http://\x00/"),
        HttpRequest("http://127.0.0.1:1/é"),
        HttpRequest("http://user:pass@127.0.0.1:1/"),
    ],
)
def test_a_malformed_request_fails_through_poll(client: Client, request_: HttpRequest) -> None:
    client.submit(request_, "tag")
    answer = answers(client)["tag"]
    assert isinstance(answer, TransportFailure)
    assert answer.kind == FailureKind.OTHER


def test_a_failure_does_not_repeat_the_url() -> None:
    with pytest.raises(TransportError) as caught:
        fetch(HttpRequest("https://localhost/secret-token"), policy=NOWHERE)
    assert "secret-token" not in str(caught.value)
    assert "localhost" not in repr(caught.value.failure)


def test_nothing_of_a_request_shows_in_its_repr() -> None:
    assert repr(HttpRequest("https://h/secret", {"A": "b"}, b"c")) == "HttpRequest(method='POST')"


def test_a_client_works_on_both_sides_of_a_fork(client: Client, rude_url: str) -> None:
    one(client, f"{rude_url}/ok")
    child = os.fork()
    if child == 0:
        os._exit(0 if isinstance(one(client, f"{rude_url}/ok"), HttpResponse) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert isinstance(one(client, f"{rude_url}/ok"), HttpResponse)


def test_an_idle_client_does_not_wait(client: Client) -> None:
    assert client.poll(60.0) == []


def test_close_abandons_what_is_in_flight(client: Client, rude_url: str) -> None:
    client.submit(HttpRequest(f"{rude_url}/slow"), 1)
    client.close()
    assert (client.in_flight, client.poll(1.0)) == (0, [])
    assert isinstance(one(client, f"{rude_url}/ok"), HttpResponse)


def test_only_the_last_header_block_counts() -> None:
    lines = [
        b"HTTP/1.1 103 Early\r\n",
        b"Link: x\r\n",
        b"\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"A: 1\r\n",
        b"a: 2\r\n",
        b"\r\n",
    ]
    assert headers_parse(lines) == {"a": "1, 2"}
