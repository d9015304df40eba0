"""Periodic work when the store fails or a table is large."""

from __future__ import annotations

import os
import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from avatars.models import Avatar
from avatars.storage.base import ObjectInfo, StorageRetry
from avatars.storage.local import LocalStorage
from avatars.tasks import avatars_upkeep
from avatars.upkeep import UNANSWERED_MAX, deleted_purge, uploads_expire

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = "2001-01-01T00:00Z"


def forms_ended(api: APIClient, count: int) -> list[str]:
    for _ in range(count):
        assert api.post("/v1/avatars", {"content_type": "image/jpeg"}).status_code == 201
    Avatar.objects.update(upload_expires_at=LONG_AGO)
    return list(Avatar.objects.values_list("upload_key", flat=True))


def unanswered(monkeypatch: pytest.MonkeyPatch, keys: list[str]) -> list[str]:
    """The store gives no answer about `keys`. The keys that it was asked about."""
    asked: list[str] = []

    def stat(self: LocalStorage, key: str) -> ObjectInfo | None:
        asked.append(key)
        if key in keys:
            raise StorageRetry("403")
        return None

    monkeypatch.setattr(LocalStorage, "stat", stat)
    return asked


def test_an_unanswered_object_does_not_delay_the_others(alice: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = forms_ended(alice, 4)[:1]
    unanswered(monkeypatch, stuck)
    uploads_expire()
    assert list(Avatar.objects.filter(state="awaiting_upload").values_list("upload_key", flat=True)) == stuck


def test_an_unavailable_store_is_asked_only_a_few_times(alice: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = unanswered(monkeypatch, forms_ended(alice, UNANSWERED_MAX + 2))
    uploads_expire()
    assert len(asked) == UNANSWERED_MAX


def test_unfinished_files_are_deleted_after_a_day(store: LocalStorage) -> None:
    store.leftovers_delete()
    folder = store.path("public/a/b/c").parents[3] / "tmp"
    folder.mkdir(parents=True)
    for name, hours in (("killed", 25), ("under way", 23)):
        (folder / name).write_bytes(b"half a picture")
        os.utime(folder / name, (time.time() - hours * 3600,) * 2)
    avatars_upkeep()
    assert [path.name for path in folder.iterdir()] == ["under way"]


def test_deleted_rows_are_not_compared_with_every_object() -> None:
    """NOT IN would compare: a hundred rows with 600,000 objects took 6.5 seconds."""
    with CaptureQueriesContext(connection) as queries:
        deleted_purge()
    [looked] = [query["sql"] for query in queries if query["sql"].startswith('SELECT "avatars_avatar"."id"')]
    assert "NOT EXISTS" in looked
