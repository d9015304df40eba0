"""A request that ends a mapping answers when no sender trusts it any more; no other request waits for that."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from tenants.services import TenantCreated
from tests.devices.bulk.conftest import NDJSON, jobs_run, ndjson
from tests.devices.conftest import web_body
from tests.fixtures import ClientFor

WHERE = f"/v1/devices/{uuid4()}"
ELSEWHERE = f"/v1/devices/{uuid4()}"

Registration = dict[str, Any]
Request = Callable[[APIClient, Registration], Any]


@pytest.fixture
def backend(acme: TenantCreated, client_for: ClientFor) -> APIClient:
    return client_for(acme)


@pytest.fixture
def registered(backend: APIClient) -> Registration:
    """Alice's device at WHERE: the body of its registration."""
    body = web_body(user_id="alice")
    assert backend.put(WHERE, body).status_code == 201
    return body


@pytest.fixture
def waits(
    backend: APIClient,
    registered: Registration,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> Callable[[Request], int]:
    """How often a request waits."""

    def count(request: Request) -> int:
        waited: list[None] = []
        monkeypatch.setattr("devices.handover.respond_after", lambda seconds: waited.append(None))
        with django_capture_on_commit_callbacks(execute=True):
            response = request(backend, registered)
            jobs_run()
        assert response.status_code < 300, response.content
        return len(waited)

    return count


def put(where: str, **changes: Any) -> Request:
    return lambda backend, body: backend.put(where, {**body, **changes})


def patch(**changes: Any) -> Request:
    return lambda backend, _: backend.patch(WHERE, changes)


def delete(where: str) -> Request:
    return lambda backend, _: backend.delete(where)


def load(**changes: Any) -> Request:
    """An import with a line for alice's device."""

    def request(backend: APIClient, body: Registration) -> Any:
        line = ndjson([{"device_id": WHERE.rpartition("/")[2], **body, **changes}])
        return backend.generic("POST", "/v1/devices:import", line.decode(), NDJSON)

    return request


ENDS = {
    "another user registers": put(WHERE, user_id="bob"),
    "the device registers without a user": put(WHERE, user_id=None),
    "another device registers the token": put(ELSEWHERE, user_id="bob"),
    "another device of the same user registers the token": put(ELSEWHERE),
    "the user logs out": patch(user_id=None),
    "another user logs in": patch(user_id="bob"),
    "the device is deleted": delete(WHERE),
    "the user is erased": delete("/v1/users/alice"),
    "a line names another user": load(user_id="bob"),
    "a line names no user": load(user_id=None),
    "a line moves the token": load(user_id="bob", device_id=str(uuid4())),
}
KEEPS = {
    "the same again": put(WHERE),
    "a new subscription": put(WHERE, **web_body()),
    "a first registration": put(ELSEWHERE, **web_body()),
    "a profile": patch(tags=["beta"]),
    "the same user": patch(user_id="alice"),
    "another user is erased": delete("/v1/users/bob"),
    "the same line": load(),
    "a line with a new subscription": load(**web_body()),
    "a line with a new device": load(**web_body(), device_id=str(uuid4())),
}


@pytest.mark.parametrize("request_", ENDS.values(), ids=ENDS)
def test_a_request_that_ends_a_mapping_waits_once(waits: Callable[[Request], int], request_: Request) -> None:
    assert waits(request_) == 1


@pytest.mark.parametrize("request_", KEEPS.values(), ids=KEEPS)
def test_a_request_that_ends_no_mapping_does_not_wait(waits: Callable[[Request], int], request_: Request) -> None:
    assert waits(request_) == 0


def test_a_user_of_many_devices_is_erased_with_one_wait(
    backend: APIClient, registered: Registration, waits: Callable[[Request], int]
) -> None:
    assert backend.put(ELSEWHERE, web_body(user_id="alice")).status_code == 201
    assert waits(delete("/v1/users/alice")) == 1


def test_a_device_without_a_user_is_deleted_without_a_wait(backend: APIClient, waits: Callable[[Request], int]) -> None:
    assert backend.put(ELSEWHERE, web_body()).status_code == 201
    assert waits(delete(ELSEWHERE)) == 0
