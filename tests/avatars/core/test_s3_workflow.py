"""The whole workflow with a real S3 server, with versions."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from rest_framework.test import APIClient

from avatars.models import Avatar
from avatars.storage.s3 import S3Storage
from tests.avatars.core.builders import picture, sweep, work
from tests.avatars.core.seaweed import VERSIONED, Server

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/v1/avatars"


@pytest.fixture(autouse=True)
def bucket(settings: Any, seaweed_server: Server) -> S3Storage:
    settings.AVATAR_STORAGE = "s3"
    settings.AVATAR_S3_BUCKET = VERSIONED
    settings.AVATAR_S3_ENDPOINT_URL = seaweed_server.endpoint_url
    settings.AVATAR_PUBLIC_BASE_URL = "https://cdn.example"
    return seaweed_server.storage(VERSIONED)


def s3_upload(api: APIClient, *pictures: bytes) -> str:
    started = api.post(URL, {"content_type": "image/jpeg"}).json()
    for data in pictures:
        form = started["upload"]
        assert requests.post(form["url"], data=form["fields"], files={"file": data}, timeout=10).ok
    found: str = started["id"]
    return found


def keys_of(bucket: S3Storage, avatar_id: str) -> list[str]:
    """The keys of every version and delete marker."""
    page = bucket.client.list_object_versions(Bucket=VERSIONED)
    found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    return [item["Key"].split("/")[0] for item in found if avatar_id in item["Key"]]


def test_from_the_form_to_the_cdn(alice: APIClient, bucket: S3Storage) -> None:
    avatar_id = s3_upload(alice, picture("lime"))
    assert alice.post(f"{URL}/{avatar_id}:complete").json()["state"] == "uploaded"
    work()
    sweep()
    variants = alice.get("/v1/users/alice").json()["picture"]["variants"]
    assert variants[0]["url"].startswith("https://cdn.example/")
    assert sorted(keys_of(bucket, avatar_id)) == ["masters"] + ["public"] * 8


def test_deleting_leaves_no_version(alice: APIClient, bucket: S3Storage) -> None:
    avatar_id = s3_upload(alice, picture("lime"), picture("green"))
    alice.post(f"{URL}/{avatar_id}:complete")
    work()
    alice.delete(f"{URL}/{avatar_id}")
    sweep()
    assert keys_of(bucket, avatar_id) == []


def test_erasing_the_user_leaves_no_version(alice: APIClient, backend: APIClient, bucket: S3Storage) -> None:
    judged = s3_upload(alice, picture("lime"), picture("green"))
    alice.post(f"{URL}/{judged}:complete")
    work()
    unfinished = s3_upload(alice, picture("lime"), picture("green"))
    assert keys_of(bucket, judged)
    assert keys_of(bucket, unfinished) == ["uploads"] * 2
    assert backend.delete("/v1/users/alice").status_code == 204
    sweep()
    assert keys_of(bucket, judged) + keys_of(bucket, unfinished) == []


def test_exactly_the_version_of_the_event_is_moderated(alice: APIClient) -> None:
    avatar_id = s3_upload(alice, picture("red"))
    alice.post(f"{URL}/{avatar_id}:complete")
    form_again(avatar_id)
    work()
    assert alice.get(f"{URL}/{avatar_id}").json()["state"] == "rejected"


def form_again(avatar_id: str) -> None:
    """A harmless picture under the same key, after the event: the announced version counts."""
    from avatars.storage import storage_get

    storage_get().put(Avatar.objects.get(id=avatar_id).upload_key, picture("lime"), content_type="image/jpeg")
