"""Idempotency-Key: the cases of the draft, races, and the state after a crash."""

from datetime import timedelta
from threading import Barrier, Event, Thread
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.db import connections
from django.urls import ResolverMatch
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from pushhub.http.api import StrictJSONParser
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.callers import Caller
from tenants.idempotency import idempotency_prune, idempotent, key_parse
from tenants.models import EndUser, IdempotencyRecord
from tenants.services import TenantCreated
from tests.fixtures import ClientFor

pytestmark = [pytest.mark.urls("tests.tenants.urls"), pytest.mark.django_db]


def post(client: APIClient, key: str = "k1", body: Any = None, path: str = "/who") -> Any:
    return client.post(path, {"a": 1} if body is None else body, HTTP_IDEMPOTENCY_KEY=key)


def request_with(created: TenantCreated, key: str = "k1", body: Any = None, caller: str = "key:one") -> Request:
    """A request as a view gets it, to call `idempotent` directly."""
    raw = APIRequestFactory().post("/x", body or {}, format="json", HTTP_IDEMPOTENCY_KEY=key)
    request = Request(raw, parsers=[StrictJSONParser()])
    request._request.resolver_match = cast(ResolverMatch, SimpleNamespace(route="x"))
    request.user = cast(Any, Caller(tenant=created.tenant, kind="server_key", label=caller))
    return request


def refused(request: Any, work: Any) -> Any:
    with pytest.raises(ApiError) as error:
        idempotent(request, work)
    return error.value


def test_a_repeated_request_gets_the_first_response(acme: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(acme)
    first, second = post(client), post(client)
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert not first.has_header("Idempotency-Replayed")
    assert second["Idempotency-Replayed"] == "true"


def test_without_the_header_every_request_is_processed(acme: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(acme)
    assert client.post("/who", {}).json()["id"] != client.post("/who", {}).json()["id"]
    assert not IdempotencyRecord.objects.exists()


def test_a_key_is_the_same_with_and_without_quotes(acme: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(acme)
    assert post(client, key='"k1"').json() == post(client, key="k1").json()


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ('"a b"', "a b"),
        (r'"say \"hi\""', 'say "hi"'),
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ('"' + "x" * 255 + '"', "x" * 255),
    ],
)
def test_a_key_is_a_structured_string_or_a_bare_token(header: str, key: str) -> None:
    assert key_parse(header) == key


@pytest.mark.parametrize(
    "header",
    ["", '""', '"', '"a', 'a"', '"a" "b"', "a,b", "a b", "é", '"\\x"', "x" * 256, '"' + "x" * 256 + '"', "a\tb"],
)
def test_an_invalid_key_is_400(acme: TenantCreated, client_for: ClientFor, header: str) -> None:
    response = post(client_for(acme), key=header)
    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_invalid")


def test_the_same_key_with_another_body_is_422(acme: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(acme)
    post(client)
    response = post(client, body={"a": 2})
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_mismatch")


def test_whitespace_and_the_order_of_members_do_not_matter(acme: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(acme)
    first, second = (
        client.post("/who", text, content_type="application/json", HTTP_IDEMPOTENCY_KEY="k1").json()
        for text in ('{"a": 1, "b": 2}', '{"b":2,\n"a":1}')
    )
    assert first == second


def test_the_same_key_with_another_path_is_422(acme: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(acme)
    post(client, body={}, path="/v1/users/alice/tokens")
    assert post(client, body={}, path="/v1/users/bob/tokens").status_code == 422


def test_a_key_belongs_to_its_caller(acme: TenantCreated, client_for: ClientFor) -> None:
    one, two = client_for(acme, scopes=["users:read"]), client_for(acme, scopes=["users:read"])
    assert post(one).json()["id"] != post(two).json()["id"]


def test_a_key_belongs_to_its_tenant(acme: TenantCreated, globex: TenantCreated) -> None:
    for created in (acme, globex):
        idempotent(request_with(created), lambda: (201, {}))
    assert IdempotencyRecord.objects.count() == 2


def test_a_key_belongs_to_its_route(acme: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(acme)
    post(client, body={})
    assert post(client, body={}, path="/v1/users/alice/tokens").status_code == 201


def test_a_refused_validation_is_not_stored(acme: TenantCreated, client_for: ClientFor) -> None:
    client, path = client_for(acme), "/v1/users/alice/tokens"
    assert post(client, body={"ttl_seconds": 1}, path=path).status_code == 422
    assert post(client, body={"ttl_seconds": 60}, path=path).status_code == 201


def test_an_error_of_the_work_is_not_stored(acme: TenantCreated) -> None:
    def refuse() -> Any:
        raise ApiError(ErrorCode.CONFLICT)

    assert refused(request_with(acme), refuse).code is ErrorCode.CONFLICT
    assert idempotent(request_with(acme), lambda: (201, {"now": "it works"})).status_code == 201


def test_a_crash_leaves_neither_the_work_nor_the_response(acme: TenantCreated) -> None:
    def crash() -> Any:
        EndUser.objects.create(tenant=acme.tenant, user_id="alice")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        idempotent(request_with(acme), crash)
    assert not EndUser.objects.exists()
    assert not IdempotencyRecord.objects.exists()


def test_without_a_key_the_work_runs_in_one_transaction(acme: TenantCreated) -> None:
    def crash() -> Any:
        EndUser.objects.create(tenant=acme.tenant, user_id="alice")
        raise RuntimeError

    request = request_with(acme)
    del request._request.META["HTTP_IDEMPOTENCY_KEY"]
    with pytest.raises(RuntimeError):
        idempotent(request, crash)
    assert not EndUser.objects.exists()


def test_the_stored_response_is_sealed(acme: TenantCreated, client_for: ClientFor) -> None:
    token = post(client_for(acme), body={}, path="/v1/users/alice/tokens").json()["token"]
    assert token.encode() not in bytes(IdempotencyRecord.objects.get().response_sealed)


def test_a_key_can_be_used_again_after_24_hours(acme: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(acme)
    first = post(client)
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    second = post(client, body={"another": "body"})
    assert (second.status_code, second.has_header("Idempotency-Replayed")) == (201, False)
    assert first.json()["id"] != second.json()["id"]


def test_prune_deletes_only_expired_records(acme: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(acme)
    post(client, key="old")
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=25))
    post(client, key="new")
    assert idempotency_prune() == 1
    assert IdempotencyRecord.objects.get().key == "new"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("expired", [False, True])
def test_a_repeated_request_is_409_while_the_first_is_running(acme: TenantCreated, expired: bool) -> None:
    """Also if an expired response with the same key is still stored."""
    inside, done = Event(), Event()
    if expired:
        idempotent(request_with(acme), lambda: (201, {}))
        IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=25))

    def slow() -> Any:
        inside.set()
        assert done.wait(10)
        return 201, {}

    first = Thread(target=_with_own_connection, args=(lambda: idempotent(request_with(acme), slow),))
    first.start()
    assert inside.wait(10)
    error = refused(request_with(acme), lambda: (201, {}))
    done.set()
    first.join()
    assert (error.code, error.retry_after) == (ErrorCode.IDEMPOTENCY_IN_PROGRESS, 1)
    assert idempotent(request_with(acme), lambda: (500, {}))["Idempotency-Replayed"] == "true"


@pytest.mark.django_db(transaction=True)
def test_the_work_of_sixteen_concurrent_requests_runs_once(acme: TenantCreated) -> None:
    barrier, runs, statuses = Barrier(16), [], []

    def work() -> Any:
        runs.append(1)
        return 201, {}

    def run() -> Any:
        barrier.wait()
        try:
            statuses.append(idempotent(request_with(acme), work).status_code)
        except ApiError as error:
            statuses.append(error.code.spec.status)

    threads = [Thread(target=_with_own_connection, args=(run,)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(runs) == 1
    assert set(statuses) <= {201, 409}


def _with_own_connection(work: Any) -> Any:
    """Runs `work` with the connection of this thread, and closes the connection."""
    try:
        work()
    finally:
        connections.close_all()
