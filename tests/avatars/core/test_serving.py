"""Public thumbnails: a fixed type, cached for an hour, not found after their deletion."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from rest_framework.test import APIClient

from avatars.storage.base import StorageRetry
from avatars.storage.local import LocalStorage
from tests.avatars.core.builders import picture, sweep, upload, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def url(alice: APIClient) -> str:
    upload(alice, picture("lime"))
    work()
    found: str = alice.get("/v1/users/alice").json()["picture"]["variants"][0]["url"]
    return found


def test_a_picture_is_served_and_kept_for_an_hour(url: str) -> None:
    response = Client().get(url, headers={"Accept-Encoding": "gzip"})
    assert response.content[:4] == b"RIFF"
    assert response["Content-Type"] == "image/webp"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'"
    assert response["Cache-Control"] == "public, max-age=3600"
    assert "Content-Encoding" not in response


def test_a_client_that_has_the_picture_gets_304(url: str) -> None:
    etag = Client().get(url)["ETag"]
    response = Client().get(url, headers={"If-None-Match": etag})
    assert (response.status_code, response.content, response["ETag"]) == (304, b"", etag)


def test_head_has_the_length_and_no_body(url: str) -> None:
    response, whole = Client().head(url), Client().get(url)
    assert (response.status_code, response.content) == (200, b"")
    assert int(response["Content-Length"]) == len(whole.content)


def test_other_methods_are_refused(url: str) -> None:
    assert Client().post(url).status_code == 405


@pytest.mark.parametrize("name", ["x.webp", "x.html", "x", "..", "%2e%2e", "x.webp%00"])
def test_a_missing_object_is_not_found(name: str) -> None:
    assert Client().get(f"/avatars/{uuid4()}/{uuid4()}/{name}").status_code == 404


def test_an_impossible_name_is_not_found(url: str) -> None:
    assert Client().get(f"{url.rpartition('/')[0]}/{'a' * 300}.webp").status_code == 404


def test_a_failing_disk_is_a_503(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> bytes:
        raise StorageRetry("Input/output error")

    monkeypatch.setattr(LocalStorage, "get", fail)
    response = Client().get(url)
    assert (response.status_code, response.get("Cache-Control", "")) == (503, "")


def test_uploads_and_masters_are_not_served(url: str, alice: APIClient, store: Any) -> None:
    from avatars.models import Avatar

    name = Avatar.objects.get().master_key.split("/")[-1]
    assert Client().get(f"{url.rpartition('/')[0]}/{name}").status_code == 404


def test_a_deleted_picture_is_not_found(url: str, alice: APIClient) -> None:
    alice.delete(f"/v1/avatars/{url.split('/')[3]}")
    sweep()
    assert Client().get(url).status_code == 404
