"""`/v1/avatars` over HTTP: who may do what, the responses, the refusals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from avatars.models import Avatar, AvatarPolicy
from avatars.services.uploads import MAX_OPEN
from avatars.storage.local import LocalStorage
from avatars.upkeep import deleted_purge, uploads_expire
from tenants.services import TenantCreated
from tests.avatars.core.builders import form_post, objects, picture, sweep, upload, work

URL = "/v1/avatars"
JPEG = {"content_type": "image/jpeg"}
pytestmark = pytest.mark.django_db(transaction=True)


def test_starting_an_upload_returns_the_form(alice: APIClient) -> None:
    response = alice.post(URL, JPEG)
    body = response.json()
    assert (response.status_code, body["state"], body["user_id"]) == (201, "awaiting_upload", "alice")
    assert body["upload"].keys() == {"url", "fields", "expires_at", "max_bytes", "content_types"}
    assert response["Location"] == f"{URL}/{body['id']}"


def test_a_backend_names_the_user(backend: APIClient) -> None:
    assert backend.post(URL, JPEG).json()["errors"][0]["pointer"] == "/user_id"
    assert backend.post(URL, JPEG | {"user_id": "bob"}).json()["user_id"] == "bob"


def test_a_user_starts_only_their_own(alice: APIClient) -> None:
    assert alice.post(URL, JPEG | {"user_id": "bob"}).status_code == 403


@pytest.mark.parametrize("kind", ["image/svg+xml", "text/html", "", None, 5])
def test_other_types_are_refused(alice: APIClient, kind: Any) -> None:
    response = alice.post(URL, {"content_type": kind})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/content_type")


def test_a_repeat_with_the_same_key_returns_the_same_form(alice: APIClient) -> None:
    first, again = (alice.post(URL, JPEG, headers={"Idempotency-Key": "one"}) for _ in range(2))
    assert first.json() == again.json()
    assert Avatar.objects.count() == 1


def test_unfinished_uploads_of_one_user_are_bounded(alice: APIClient) -> None:
    statuses = [alice.post(URL, JPEG).status_code for _ in range(MAX_OPEN + 1)]
    assert statuses == [201] * MAX_OPEN + [429]


def test_a_key_without_the_scope_is_refused(acme: TenantCreated, client_for: Any) -> None:
    assert client_for(acme, scopes=["avatars:read"]).post(URL, JPEG).json()["code"] == "scope_missing"


@pytest.mark.parametrize("action", ["", ":complete", ":appeal"])
def test_other_users_and_tenants_find_nothing(
    started: dict[str, Any], acme: TenantCreated, globex: TenantCreated, client_for: Any, user_client: Any, action: str
) -> None:
    for client in (client_for(globex), user_client(globex, "alice"), user_client(acme, "bob")):
        call = client.post if action else client.get
        assert call(f"{URL}/{started['id']}{action}").status_code == 404
        assert client.delete(f"{URL}/{started['id']}").status_code == 404


def test_a_list_shows_only_the_callers_avatars(
    started: dict[str, Any], backend: APIClient, alice: APIClient, user_client: Any, acme: Any
) -> None:
    assert [row["id"] for row in alice.get(URL).json()["data"]] == [started["id"]]
    assert [row["id"] for row in backend.get(URL, {"state": "awaiting_upload"}).json()["data"]] == [started["id"]]
    assert user_client(acme, "bob").get(URL).json()["data"] == []


def test_complete_before_the_upload_is_a_conflict(started: dict[str, Any], alice: APIClient) -> None:
    assert alice.post(f"{URL}/{started['id']}:complete").json()["code"] == "conflict"


def test_complete_finds_an_upload_without_an_event(
    started: dict[str, Any], alice: APIClient, store: LocalStorage
) -> None:
    store.put(started["upload"]["fields"]["key"], b"data", content_type="image/jpeg")
    responses = [alice.post(f"{URL}/{started['id']}:complete") for _ in range(2)]
    assert [(response.status_code, response.json()["state"]) for response in responses] == [(202, "uploaded")] * 2


def test_an_upload_starts_the_workflow_by_itself(uploaded: dict[str, Any], alice: APIClient) -> None:
    assert alice.get(f"{URL}/{uploaded['id']}").json()["state"] == "uploaded"


def test_an_unused_form_expires(started: dict[str, Any], alice: APIClient) -> None:
    _end_form(started)
    uploads_expire()
    body = alice.get(f"{URL}/{started['id']}").json()
    assert (body["state"], body["reason"]["code"]) == ("expired", "upload_expired")


def test_an_upload_whose_event_was_lost_does_not_expire(
    started: dict[str, Any], alice: APIClient, store: LocalStorage
) -> None:
    store.put(started["upload"]["fields"]["key"], b"data", content_type="image/jpeg")
    _end_form(started)
    uploads_expire()
    assert alice.get(f"{URL}/{started['id']}").json()["state"] == "uploaded"


def test_an_upload_after_the_expiry_is_deleted(started: dict[str, Any], alice: APIClient, store: LocalStorage) -> None:
    alice.delete(f"{URL}/{started['id']}")
    form_post(Client(), started["upload"], picture())
    sweep()
    assert objects(store) == []


def test_deleting_removes_every_object(alice: APIClient, store: LocalStorage) -> None:
    avatar_id = upload(alice, picture("lime"))
    work()
    assert alice.delete(f"{URL}/{avatar_id}").status_code == 204
    sweep()
    assert objects(store) == []
    assert alice.get("/v1/users/alice").json()["picture"] is None
    assert alice.get(f"{URL}/{avatar_id}").status_code == 404


def test_rows_are_deleted_when_their_objects_are(alice: APIClient, store: LocalStorage) -> None:
    avatar_id = upload(alice, picture("lime"))
    work()
    alice.delete(f"{URL}/{avatar_id}")
    Avatar.objects.filter(id=avatar_id).update(updated_at=timezone.now() - timedelta(days=1))
    deleted_purge()
    assert Avatar.objects.filter(id=avatar_id).exists()  # its objects are not swept yet
    sweep_past_the_form()
    deleted_purge()
    assert not Avatar.objects.filter(id=avatar_id).exists()


def test_erasing_a_user_deletes_every_object(alice: APIClient, backend: APIClient, store: LocalStorage) -> None:
    upload(alice, picture("lime"))
    upload(alice, picture("yellow"))
    work()
    upload(alice, picture("green"))
    assert backend.delete("/v1/users/alice").status_code == 204
    sweep()
    assert objects(store) == []


def test_an_avatar_is_appealed_once(acme: TenantCreated, alice: APIClient) -> None:
    AvatarPolicy.objects.create(tenant=acme.tenant, appeal_days=3)
    avatar_id = upload(alice, picture("red"))
    work()
    assert alice.post(f"{URL}/{avatar_id}:appeal").json()["state"] == "in_review"
    assert alice.post(f"{URL}/{avatar_id}:appeal").status_code == 409


@pytest.mark.parametrize(("days", "why"), [(0, "appeal_days is 0). Upload another"), (3, "kept for 3 days, and this")])
def test_an_appeal_needs_the_picture(acme: TenantCreated, alice: APIClient, days: int, why: str) -> None:
    avatar_id = upload(alice, picture("red"))
    work()
    sweep()
    AvatarPolicy.objects.create(tenant=acme.tenant, appeal_days=days)
    response = alice.post(f"{URL}/{avatar_id}:appeal")
    assert (response.status_code, why in response.json()["detail"]) == (409, True)


def test_invalid_ids_are_not_found(alice: APIClient) -> None:
    assert alice.get(f"{URL}/nonsense").status_code == 404
    assert alice.get(f"{URL}/{uuid4()}").status_code == 404


def _end_form(started: dict[str, Any]) -> None:
    Avatar.objects.filter(id=started["id"]).update(upload_expires_at=timezone.now() - timedelta(hours=1))


def sweep_past_the_form() -> None:
    from avatars.models import StoredObject

    StoredObject.objects.update(keep_until=None)
    sweep()
