from __future__ import annotations

import uuid
from typing import Any

import pytest
from rest_framework.test import APIClient

from notifications.models import Topic, TopicSubscription
from notifications.topics import topic_ensure
from tenants.services import TenantCreated
from tests.notifications.api.conftest import device_make

URL = "/v1/topics/updates/subscribers"


def test_subscribing_makes_the_topic_and_the_user(backend: APIClient) -> None:
    answer = backend.put(URL, {"users": ["alice", "bob"]})
    assert answer.json() == {"users": 2, "devices": 0, "unknown_devices": []}
    assert [row["name"] for row in backend.get("/v1/topics").json()["data"]] == ["updates"]


def test_subscribing_twice_changes_nothing(acme: TenantCreated, backend: APIClient) -> None:
    body = {"users": ["alice"], "devices": [str(device_make(acme.tenant).device_id)]}
    assert backend.put(URL, body).json() == backend.put(URL, body).json()
    assert TopicSubscription.objects.count() == 2


def test_unknown_devices_are_reported(acme: TenantCreated, globex: TenantCreated, backend: APIClient) -> None:
    unknown = [str(uuid.uuid4()), str(device_make(globex.tenant).device_id)]
    answer = backend.put(URL, {"devices": [*unknown, str(device_make(acme.tenant).device_id)]}).json()
    assert (answer["devices"], answer["unknown_devices"]) == (1, unknown)


def test_subscribers_are_listed_in_pages(backend: APIClient) -> None:
    backend.put(URL, {"users": ["alice", "bob", "carol"]})
    first = backend.get(URL, {"limit": 2}).json()
    rest = backend.get(URL, {"limit": 2, "cursor": first["next"]}).json()
    assert {row["user_id"] for row in first["data"] + rest["data"]} == {"alice", "bob", "carol"}


@pytest.mark.parametrize("repeated", [False, True])
def test_unsubscribing(backend: APIClient, repeated: bool) -> None:
    backend.put(URL, {"users": ["alice", "bob"]})
    for _ in range(1 + repeated):
        assert backend.delete(f"{URL}?user_id=alice").status_code == 204
    assert [row["user_id"] for row in backend.get(URL).json()["data"]] == ["bob"]


def test_unsubscribing_a_device(acme: TenantCreated, backend: APIClient) -> None:
    device = device_make(acme.tenant)
    backend.put(URL, {"devices": [str(device.device_id)]})
    backend.delete(f"{URL}?device_id={device.device_id}")
    assert not TopicSubscription.objects.exists()


@pytest.mark.parametrize("query", ["", "?user_id=alice&device_id=00000000-0000-0000-0000-000000000000", "?device_id=x"])
def test_unsubscribing_names_one(backend: APIClient, query: str) -> None:
    backend.put(URL, {"users": ["alice"]})
    assert backend.delete(URL + query).status_code == 422


@pytest.mark.parametrize("body", [{}, {"users": []}, {"users": ["a"] * 1001}, {"devices": ["x"]}, {"who": ["alice"]}])
def test_bad_bodies(backend: APIClient, body: dict[str, Any]) -> None:
    assert backend.put(URL, body).status_code == 422


def test_a_topic_is_its_tenants_own(globex: TenantCreated, backend: APIClient, client_for: Any) -> None:
    client_for(globex).put(URL, {"users": ["alice"]})
    assert backend.get(URL).status_code == 404
    assert backend.delete(f"{URL}?user_id=alice").status_code == 404


def test_a_bad_name_is_no_topic(backend: APIClient) -> None:
    assert backend.put("/v1/topics/a b/subscribers", {"users": ["alice"]}).status_code == 404


def test_a_user_subscribes_themself_and_their_devices(acme: TenantCreated, user_client: Any) -> None:
    topic_ensure(tenant=acme.tenant, name="updates")
    mine, bobs = device_make(acme.tenant, user="alice"), device_make(acme.tenant, user="bob")
    body = {"users": ["alice"], "devices": [str(mine.device_id), str(bobs.device_id)]}
    answer = user_client(acme, "alice").put(URL, body).json()
    assert answer == {"users": 1, "devices": 1, "unknown_devices": [str(bobs.device_id)]}


def test_a_user_does_not_subscribe_others(acme: TenantCreated, user_client: Any) -> None:
    topic_ensure(tenant=acme.tenant, name="updates")
    client = user_client(acme, "alice")
    assert client.put(URL, {"users": ["bob"]}).status_code == 403
    assert client.delete(f"{URL}?user_id=bob").status_code == 403
    assert client.get(URL).status_code == 403


def test_a_user_makes_no_topic(acme: TenantCreated, user_client: Any) -> None:
    assert user_client(acme, "alice").put(URL, {"users": ["alice"]}).status_code == 404
    assert not Topic.objects.exists()
