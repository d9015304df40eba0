"""`/v1/users/{user_id}`: profile, erasure, tokens."""

from threading import Thread
from typing import Any
from unittest.mock import Mock
from urllib.parse import quote

import pytest
from django.db import connections

from events.models import Event
from tenants import erasure
from tenants.erasure import end_user_erase, erase_step_register
from tenants.models import EndUser, IdempotencyRecord
from tenants.services import TenantCreated, end_user_ensure
from tests.fixtures import ClientFor, bearer_client

pytestmark = [pytest.mark.urls("tests.tenants.urls"), pytest.mark.django_db]

ALICE = "/v1/users/alice"
PROFILE = {"attributes": {"plan": "gold"}, "locale": "pt-BR", "timezone": "Europe/Lisbon"}


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A copy of the registered steps, to which a test can add."""
    monkeypatch.setattr(erasure, "erase_steps", dict(erasure.erase_steps))


def test_put_creates_a_user_and_then_replaces_the_profile(acme: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(acme)
    created, replaced = client.put(ALICE, PROFILE), client.put(ALICE, {"locale": "en"})
    assert (created.status_code, replaced.status_code) == (201, 200)
    assert created.json().items() >= {"user_id": "alice", **PROFILE}.items()
    assert replaced.json().items() >= {"attributes": {}, "locale": "en", "timezone": ""}.items()


def test_patch_changes_only_the_given_fields(acme: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(acme)
    client.put(ALICE, PROFILE)
    assert (
        client.patch(ALICE, {"timezone": "Asia/Tokyo"}).json().items() >= (PROFILE | {"timezone": "Asia/Tokyo"}).items()
    )


def test_patch_of_an_unknown_user_is_404(acme: TenantCreated, client_for: ClientFor) -> None:
    assert client_for(acme).patch(ALICE, {"locale": "en"}).status_code == 404


def test_another_tenants_user_is_404(acme: TenantCreated, globex: TenantCreated, client_for: ClientFor) -> None:
    client_for(acme).put(ALICE, PROFILE)
    assert client_for(acme).get(ALICE).status_code == 200
    assert client_for(globex).get(ALICE).status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"locale": "not a locale"}, "/locale"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"attributes": []}, "/attributes"),
        ({"attributes": {"x": "y" * 9000}}, "/attributes"),
        ({"nickname": "Al"}, "/nickname"),
    ],
)
def test_an_invalid_field_is_422_with_its_pointer(
    acme: TenantCreated, client_for: ClientFor, body: Any, pointer: str
) -> None:
    response = client_for(acme).put(ALICE, body)
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize("user_id", ["a/b", "a b", "ä", "auth0|123", "a%2Fb", "a?b#c", "x" * 255, "alice@example.com"])
def test_a_user_id_may_contain_any_printable_characters(
    acme: TenantCreated, client_for: ClientFor, user_id: str
) -> None:
    client, path = client_for(acme), f"/v1/users/{quote(user_id, safe='')}"
    assert client.put(path, {}).json()["user_id"] == user_id
    assert client.get(path).status_code == 200
    assert client.post(f"{path}/tokens", {}).status_code == 201


@pytest.mark.parametrize("user_id", ["x" * 256, "a/inbox", "a/inbox/b", "../x", "a\u202eb"])
def test_an_invalid_user_id_is_422(acme: TenantCreated, client_for: ClientFor, user_id: str) -> None:
    assert client_for(acme).put(f"/v1/users/{quote(user_id, safe='')}", {}).status_code == 422


@pytest.mark.parametrize("user_id", ["a\0b", "a\x1fb"])
def test_a_user_id_with_control_characters_is_404(acme: TenantCreated, client_for: ClientFor, user_id: str) -> None:
    assert client_for(acme).get(f"/v1/users/{quote(user_id, safe='')}").status_code == 404


def test_a_user_token_may_read_its_user_and_change_the_locale(
    acme: TenantCreated, client_for: ClientFor, user_client: ClientFor
) -> None:
    client_for(acme).put(ALICE, PROFILE)
    alice = user_client(acme, "alice")
    assert alice.get(ALICE).json()["locale"] == "pt-BR"
    assert alice.patch(ALICE, {"locale": "fr"}).json()["locale"] == "fr"


def test_a_user_token_may_not_change_attributes(
    acme: TenantCreated, client_for: ClientFor, user_client: ClientFor
) -> None:
    client_for(acme).put(ALICE, PROFILE)
    assert user_client(acme, "alice").patch(ALICE, {"attributes": {"plan": "platinum"}}).status_code == 403


@pytest.mark.parametrize("method", ["get", "patch", "put", "delete"])
def test_a_user_token_gives_no_access_to_another_user(
    acme: TenantCreated, client_for: ClientFor, user_client: ClientFor, method: str
) -> None:
    client_for(acme).put(ALICE, PROFILE)
    assert getattr(user_client(acme, "bob"), method)(ALICE, {}).status_code == 403


@pytest.mark.parametrize("method", ["put", "delete"])
def test_a_user_token_may_not_create_or_erase_its_user(
    acme: TenantCreated, user_client: ClientFor, method: str
) -> None:
    assert getattr(user_client(acme, "alice"), method)(ALICE, {}).status_code == 403


def test_a_user_token_may_not_create_tokens(acme: TenantCreated, user_client: ClientFor) -> None:
    assert user_client(acme, "alice").post(f"{ALICE}/tokens", {}).status_code == 403


def test_a_created_token_authenticates(acme: TenantCreated, client_for: ClientFor) -> None:
    token = client_for(acme).post(f"{ALICE}/tokens", {"ttl_seconds": 60}).json()["token"]
    assert bearer_client(token).get("/who").json() == {"caller": "user:alice"}


@pytest.mark.parametrize("ttl_seconds", [59, 86_401, "60", True, None])
def test_a_lifetime_out_of_range_is_422(acme: TenantCreated, client_for: ClientFor, ttl_seconds: Any) -> None:
    assert client_for(acme).post(f"{ALICE}/tokens", {"ttl_seconds": ttl_seconds}).status_code == 422


def test_erasure_deletes_the_user_and_records_an_event(acme: TenantCreated, client_for: ClientFor) -> None:
    client = client_for(acme)
    client.put(ALICE, PROFILE)
    assert [client.delete(ALICE).status_code for _ in range(2)] == [204, 204]
    assert not EndUser.objects.exists()
    assert Event.objects.filter(type="user.erased", subject="alice").count() == 1


def test_erasure_deletes_the_stored_responses_of_that_user_only(acme: TenantCreated, user_client: ClientFor) -> None:
    for user_id in ("alice", "bob"):
        end_user_ensure(tenant=acme.tenant, user_id=user_id)
        IdempotencyRecord.objects.create(
            tenant=acme.tenant,
            caller=f"user:{user_id}",
            route="r",
            key="k",
            body_hash=b"",
            status=201,
            response_sealed=b"",
        )
    end_user_erase(tenant=acme.tenant, user_id="alice")
    assert [record.caller for record in IdempotencyRecord.objects.all()] == ["user:bob"]


def test_erasure_keeps_a_user_of_another_tenant_with_the_same_id(acme: TenantCreated, globex: TenantCreated) -> None:
    for created in (acme, globex):
        end_user_ensure(tenant=created.tenant, user_id="alice")
    end_user_erase(tenant=acme.tenant, user_id="alice")
    assert EndUser.objects.get().tenant == globex.tenant


def test_a_failing_step_rolls_the_erasure_back(acme: TenantCreated, steps: None) -> None:
    def fail(user: Any) -> Any:
        raise RuntimeError

    erase_step_register("failing", fail)
    end_user_ensure(tenant=acme.tenant, user_id="alice")
    with pytest.raises(RuntimeError):
        end_user_erase(tenant=acme.tenant, user_id="alice")
    assert EndUser.objects.exists()
    assert not Event.objects.filter(type="user.erased").exists()


def test_two_steps_with_the_same_name_are_refused(steps: None) -> None:
    step, other = Mock(), Mock()
    erase_step_register("one", step)
    erase_step_register("one", step)
    with pytest.raises(ValueError, match="one"):
        erase_step_register("one", other)


@pytest.mark.django_db(transaction=True)
def test_sixteen_threads_create_one_user(acme: TenantCreated) -> None:
    found = []

    def ensure() -> Any:
        found.append(end_user_ensure(tenant=acme.tenant, user_id="alice").pk)
        connections.close_all()

    threads = [Thread(target=ensure) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert set(found) == {EndUser.objects.get().pk}
