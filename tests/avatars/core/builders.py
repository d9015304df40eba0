"""Builders of forms and pictures, and the workers' part."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import quote_plus
from uuid import UUID

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from PIL import Image
from rest_framework.test import APIClient

from avatars.storage.local import LocalStorage
from avatars.upkeep import sweep_step
from avatars.workflow.saga import WORKFLOW

BUCKET = "acme-avatars"


def form_post(client: Client, upload: dict[str, Any], data: bytes, **changes: str) -> Any:
    """Send a form as a browser does: the fields in their order, the file last."""
    fields = {**upload["fields"], **changes}
    file = SimpleUploadedFile("picture", data, content_type="application/octet-stream")
    return client.post(upload["url"], {**fields, "file": file})


def picture(color: str = "teal", *, size: tuple[int, int] = (200, 160), format: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, format)
    return file.getvalue()


def work() -> None:
    """The workflow until nothing is due."""
    for _ in range(50):
        if not WORKFLOW.step():
            return
    raise AssertionError("the workflow does not end")


def sweep() -> None:
    while sweep_step():
        pass


def upload(api: APIClient, data: bytes) -> UUID:
    """A complete upload by `api`'s user. The avatar's id."""
    started = api.post("/v1/avatars", {"content_type": "image/jpeg"}).json()
    assert form_post(Client(), started["upload"], data).status_code == 204
    return UUID(started["id"])


def objects(store: LocalStorage) -> list[str]:
    """Every key that is in the store."""
    root = store.path("public/a/b/c").parents[3]
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def public(store: LocalStorage) -> list[str]:
    return [key for key in objects(store) if key.startswith("public/")]


def s3_event(
    key: str, *, etag: str = "aa", sequencer: str = "0055", name: str = "ObjectCreated:Post", **item: Any
) -> str:
    described = {"key": quote_plus(key), "size": 5, "eTag": etag, "sequencer": sequencer, **item}
    record = {"eventName": name, "s3": {"bucket": {"name": BUCKET}, "object": described}}
    return json.dumps({"Records": [record]})


def leases_end() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE avatars_avatar SET lease_expires_at = now() - interval '1 second' WHERE lease IS NOT NULL"
        )


def time_passes() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE avatars_storedobject SET delete_due_at = now(), keep_until = now()")
