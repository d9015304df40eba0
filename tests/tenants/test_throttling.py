"""Rate limits are exact under races and reported in every response. Requests pass while Valkey is unavailable."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.conf import settings as django_settings

from tenants import throttling
from tenants.services import TenantCreated
from tenants.throttling import RateState, rate_take
from tests.fixtures import ClientFor

pytestmark = [pytest.mark.urls("tests.tenants.urls"), pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _fresh_client() -> Any:
    throttling.take_script.cache_clear()
    throttling.outage_pause.end()
    yield
    throttling.take_script.cache_clear()
    throttling.outage_pause.end()


@pytest.fixture
def limited(acme: TenantCreated) -> Any:
    """acme, with a limit of 3 requests per minute for its backend and 2 for each user."""
    acme.tenant.rate_limits = {"server": 3, "user": 2}
    acme.tenant.save()
    return acme


@pytest.fixture
def silent_valkey(settings: Any) -> Any:
    """A server that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.CACHE_URL = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        yield


def take(bucket: str, limit: int) -> RateState:
    state = rate_take(bucket, limit)
    assert state is not None
    return state


def test_exactly_n_of_32_threads_pass() -> None:
    bucket = f"rate:{uuid4()}"
    with ThreadPoolExecutor(32) as pool:
        states = list(pool.map(lambda _: take(bucket, 20), range(320)))
    assert sum(state.passed for state in states) == 20


def test_the_bucket_refills_evenly() -> None:
    bucket, started = f"rate:{uuid4()}", time.monotonic()
    taken = [take(bucket, 600) for _ in range(600)]
    time.sleep(0.35)
    refilled = [take(bucket, 600).passed for _ in range(20)]
    assert all(state.passed for state in taken)
    assert 3 <= sum(refilled) <= 10 * (time.monotonic() - started) + 1


def test_a_bucket_expires_when_it_is_full_again() -> None:
    bucket = f"rate:{uuid4()}"
    take(bucket, 60)
    assert 0 < redis.Redis.from_url(django_settings.CACHE_URL).pttl(bucket) <= 1000


def test_headers_report_the_state_of_the_bucket(limited: TenantCreated, client_for: ClientFor) -> None:
    response = client_for(limited).get("/who")
    names = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
    assert [response[name] for name in names] == ["3", "2", "20"]


def test_a_request_over_the_limit_is_429_with_retry_after(limited: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(limited)
    statuses = [client.get("/who").status_code for _ in range(3)]
    response = client.get("/who")
    assert statuses == [200, 200, 200]
    assert (response.status_code, response.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(response["Retry-After"]) <= 20
    assert response["RateLimit-Remaining"] == "0"


def test_errors_have_the_headers_too(limited: TenantCreated, client_for: ClientFor) -> None:
    assert client_for(limited).post("/who", {}, HTTP_IDEMPOTENCY_KEY='"')["RateLimit-Remaining"] == "2"


def test_all_server_keys_of_a_tenant_share_one_limit(limited: TenantCreated, client_for: ClientFor) -> None:
    clients = [client_for(limited, scopes=["users:read"]) for _ in range(4)]
    assert [client.get("/who").status_code for client in clients] == [200, 200, 200, 429]


def test_each_user_has_a_separate_limit(limited: TenantCreated, client_for: ClientFor, user_client: ClientFor) -> None:
    alice = user_client(limited, "alice")
    assert [alice.get("/who").status_code for _ in range(3)] == [200, 200, 429]
    assert user_client(limited, "bob").get("/who").status_code == 200
    assert client_for(limited).get("/who").status_code == 200


def test_each_tenant_has_a_separate_limit(limited: TenantCreated, globex: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(limited)
    assert [client.get("/who").status_code for _ in range(4)][-1] == 429
    assert client_for(globex).get("/who").status_code == 200


@pytest.mark.parametrize("typo", [0, -5, "many", None, 1.5, [], True, 10**9])
def test_an_invalid_limit_is_ignored(acme: TenantCreated, client_for: ClientFor, typo: Any) -> None:
    acme.tenant.rate_limits = {"server": typo}
    acme.tenant.save()
    assert client_for(acme).get("/who")["RateLimit-Limit"] == str(django_settings.PUSHHUB_RATE_LIMIT_PER_MINUTE)


def test_without_valkey_requests_pass(acme: TenantCreated, client_for: ClientFor, settings: Any) -> None:
    settings.CACHE_URL = "redis://127.0.0.1:1/0"
    response = client_for(acme).get("/who")
    assert (response.status_code, response.has_header("RateLimit-Limit")) == (200, False)


def test_a_hanging_valkey_delays_one_request_only(
    acme: TenantCreated, client_for: ClientFor, silent_valkey: None
) -> None:
    client, started = client_for(acme), time.monotonic()
    assert [client.get("/who").status_code for _ in range(20)] == [200] * 20
    assert time.monotonic() - started < 2 * throttling.SOCKET_TIMEOUT_SECONDS + 1


def test_limits_are_applied_again_after_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    throttling.outage_pause.start()
    assert rate_take("rate:again", 5) is None
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + throttling.PAUSE_SECONDS)
    monkeypatch.setattr(throttling, "time", later)
    assert take(f"rate:{uuid4()}", 5).passed
