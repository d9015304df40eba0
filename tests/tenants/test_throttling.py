"""Rate limits: exact under races, told on every answer, open when Valkey is away."""

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
    throttling._script.cache_clear()
    throttling.breaker.reset()
    yield
    throttling._script.cache_clear()
    throttling.breaker.reset()


@pytest.fixture
def limited(acme: TenantCreated) -> Any:
    """acme, at 3 requests a minute for its backend and 2 for each user."""
    acme.tenant.rate_limits = {"server": 3, "user": 2}
    acme.tenant.save()
    return acme


@pytest.fixture
def silent_valkey(settings: Any) -> Any:
    """A server that takes connections and never answers."""
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
    bucket, began = f"rate:{uuid4()}", time.monotonic()
    taken = [take(bucket, 600) for _ in range(600)]
    time.sleep(0.35)
    again = [take(bucket, 600).passed for _ in range(20)]
    assert all(state.passed for state in taken)
    assert 3 <= sum(again) <= 10 * (time.monotonic() - began) + 1


def test_a_bucket_is_forgotten_when_it_is_full_again() -> None:
    bucket = f"rate:{uuid4()}"
    take(bucket, 60)
    assert 0 < redis.Redis.from_url(django_settings.CACHE_URL).pttl(bucket) <= 1000


def test_headers_tell_what_is_left(limited: TenantCreated, client_for: ClientFor) -> None:
    answer = client_for(limited).get("/who")
    assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"], answer["RateLimit-Reset"]) == ("3", "2", "20")


def test_over_the_limit_is_429_with_retry_after(limited: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(limited)
    statuses = [client.get("/who").status_code for _ in range(3)]
    answer = client.get("/who")
    assert statuses == [200, 200, 200]
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(answer["Retry-After"]) <= 20
    assert answer["RateLimit-Remaining"] == "0"


def test_refused_requests_of_other_kinds_carry_the_headers_too(limited: TenantCreated, client_for: ClientFor) -> None:
    assert client_for(limited).post("/who", {}, HTTP_IDEMPOTENCY_KEY='"')["RateLimit-Remaining"] == "2"


def test_more_keys_are_not_more_quota(limited: TenantCreated, client_for: ClientFor) -> None:
    clients = [client_for(limited, scopes=["users:read"]) for _ in range(4)]
    assert [client.get("/who").status_code for client in clients] == [200, 200, 200, 429]


def test_one_user_does_not_use_up_anothers_quota(
    limited: TenantCreated, client_for: ClientFor, user_client: ClientFor
) -> None:
    alice = user_client(limited, "alice")
    assert [alice.get("/who").status_code for _ in range(3)] == [200, 200, 429]
    assert user_client(limited, "bob").get("/who").status_code == 200
    assert client_for(limited).get("/who").status_code == 200


def test_one_tenant_does_not_use_up_anothers_quota(
    limited: TenantCreated, globex: TenantCreated, client_for: ClientFor
) -> None:
    client = client_for(limited)
    assert [client.get("/who").status_code for _ in range(4)][-1] == 429
    assert client_for(globex).get("/who").status_code == 200


@pytest.mark.parametrize("typo", [0, -5, "many", None, 1.5, [], True, 10**9])
def test_a_typo_in_a_limit_locks_nobody_out(acme: TenantCreated, client_for: ClientFor, typo: Any) -> None:
    acme.tenant.rate_limits = {"server": typo}
    acme.tenant.save()
    assert client_for(acme).get("/who")["RateLimit-Limit"] == str(django_settings.PUSHHUB_RATE_LIMIT_PER_MINUTE)


def test_without_valkey_requests_pass(acme: TenantCreated, client_for: ClientFor, settings: Any) -> None:
    settings.CACHE_URL = "redis://127.0.0.1:1/0"
    answer = client_for(acme).get("/who")
    assert (answer.status_code, answer.has_header("RateLimit-Limit")) == (200, False)


def test_a_hanging_valkey_costs_one_timeout_not_one_per_request(
    acme: TenantCreated, client_for: ClientFor, silent_valkey: None
) -> None:
    client, started = client_for(acme), time.monotonic()
    assert [client.get("/who").status_code for _ in range(20)] == [200] * 20
    assert time.monotonic() - started < 2 * throttling.SOCKET_TIMEOUT_SECONDS + 1


def test_limits_come_back_with_valkey(monkeypatch: pytest.MonkeyPatch) -> None:
    throttling.breaker.trip()
    assert rate_take("rate:back", 5) is None
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + throttling.BREAKER_SECONDS)
    monkeypatch.setattr(throttling, "time", later)
    assert take(f"rate:{uuid4()}", 5).passed
