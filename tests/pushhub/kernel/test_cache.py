"""No value that comes from Valkey is unpickled."""

import pickle
from typing import Any

import pytest
import redis
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import cache
from django.test import Client
from typing_extensions import override

from pushhub.workers.celery import app

ran: list[str] = []


def code_of_the_writer(text: str) -> None:
    ran.append(text)


class Exploit:
    """Its unpickling calls `code_of_the_writer`."""

    @override
    def __reduce__(self) -> Any:
        return code_of_the_writer, ("ran",)


@pytest.fixture
def exploit() -> str:
    """The name of a key of the cache with a pickle that another program wrote."""
    ran.clear()
    client = redis.Redis.from_url(settings.CACHE_URL)
    client.set(cache.make_key("readyz"), pickle.dumps(Exploit()))
    return "readyz"


def test_the_pickle_would_run_code() -> None:
    ran.clear()
    pickle.loads(pickle.dumps(Exploit()))
    assert ran


def test_readyz_runs_no_code_from_valkey(db: None, exploit: str) -> None:
    assert Client().get("/readyz").json() == {"status": "ok", "cache": "ok"}
    assert ran == []


def test_a_pickle_in_the_cache_is_a_missing_value(exploit: str) -> None:
    assert (cache.get(exploit, "default"), cache.get_many([exploit]), ran) == (None, {exploit: None}, [])


@pytest.mark.parametrize("value", [1, True, None, "text", 1.5, ["a", {"b": 2}]])
def test_the_cache_returns_what_it_stored(value: Any) -> None:
    cache.set("key", value)
    assert cache.get("key") == value


def test_an_object_that_json_cannot_represent_is_a_missing_value() -> None:
    """The search of the admin stores its results, which are objects. It searches again without them."""
    cache.set("key", [object()])
    assert cache.get("key") is None


def test_counters_work() -> None:
    cache.set("counter", 1)
    assert (cache.incr("counter"), cache.get("counter")) == (2, 2)


def test_workers_and_sessions_accept_json_only() -> None:
    assert set(app.conf.accept_content) == {"json"}
    assert set(app.conf.result_accept_content or app.conf.accept_content) == {"json"}
    assert SessionBase().serializer.__name__ == "JSONSerializer"
