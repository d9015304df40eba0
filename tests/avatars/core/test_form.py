"""The embedded store's form, in addition to the contract: broken requests, and what is not written to the disk."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client
from rest_framework.test import APIClient

from avatars.keys import upload_key
from avatars.storage.form_policy import form_sign
from avatars.storage.local import LocalStorage
from tests.avatars.core.builders import form_post, objects

pytestmark = pytest.mark.django_db(transaction=True)
BOUNDARY = "frontier"


def test_it_needs_no_csrf_token_and_allows_any_origin(started: dict[str, Any]) -> None:
    response = form_post(Client(enforce_csrf_checks=True), started["upload"], b"x")
    assert (response.status_code, response["Access-Control-Allow-Origin"]) == (204, "*")


def test_refusals_have_s3s_format(started: dict[str, Any]) -> None:
    response = form_post(Client(), started["upload"], b"x", **{"Content-Type": "text/html"})
    assert (response.status_code, response["Content-Type"]) == (403, "application/xml")
    assert b"<Code>AccessDenied</Code>" in response.content


def test_an_extra_field_is_refused(started: dict[str, Any]) -> None:
    assert form_post(Client(), started["upload"], b"x", acl="public-read").status_code == 403


def test_a_form_of_another_installation_is_refused(started: dict[str, Any]) -> None:
    with patch("avatars.storage.form_policy.keyed_hash", return_value=bytes(32)):
        fields = form_sign(
            bucket="local",
            key=upload_key(*_ids(started)),
            content_type="image/jpeg",
            max_bytes=10,
            expires_at=_soon(),
        )
    assert form_post(Client(), {"url": "/avatars/upload", "fields": fields}, b"x").status_code == 403


@pytest.mark.parametrize("key", ["../../etc/passwd", "public/a/b/c.webp", "uploads/a/b/../c", "masters/a/b/c.png"])
def test_a_signed_key_outside_uploads_is_refused(key: str, store: LocalStorage) -> None:
    fields = form_sign(bucket="local", key=key, content_type="image/jpeg", max_bytes=10, expires_at=_soon())
    assert form_post(Client(), {"url": "/avatars/upload", "fields": fields}, b"x").status_code == 403
    assert objects(store) == []


def test_a_body_that_ends_early_is_refused(started: dict[str, Any], store: LocalStorage) -> None:
    body = _body(started["upload"]["fields"], b"half of it")
    response = _send(body, length=len(body) + 1000)
    assert (response.status_code, objects(store)) == (400, [])


@pytest.mark.parametrize("cut", [0, 1, 50, 400])
def test_a_form_without_its_file_is_refused(started: dict[str, Any], store: LocalStorage, cut: int) -> None:
    body = _body(started["upload"]["fields"], b"x")[:cut]
    assert 400 <= _send(body).status_code < 500
    assert objects(store) == []


def test_fields_are_bounded(started: dict[str, Any]) -> None:
    assert form_post(Client(), started["upload"], b"x", **{"x-ignore-me": "a" * 20_000}).status_code == 400
    many = {f"x-ignore-{number}": "" for number in range(50)}
    assert form_post(Client(), started["upload"], b"x", **many).status_code == 400


def test_the_signature_must_arrive_with_the_first_chunk(started: dict[str, Any]) -> None:
    late = form_post(Client(), started["upload"], b"x" * 300_000)
    assert late.status_code == 204
    fields = {f"x-ignore-{number}": "a" * 15_000 for number in range(5)}
    refused = form_post(Client(), started["upload"], b"x", **fields)
    assert b"<Code>MaxPostPreDataLengthExceeded</Code>" in refused.content


def test_other_bodies_and_methods_are_refused() -> None:
    assert Client().post("/avatars/upload", b"{}", content_type="application/json").status_code == 412
    assert Client().get("/avatars/upload").status_code == 405


def test_an_oversized_stream_stops_at_the_limit(started: dict[str, Any], store: LocalStorage) -> None:
    written = 0
    real = LocalStorage.writing

    from contextlib import contextmanager

    @contextmanager
    def counting(self: LocalStorage, key: str) -> Any:
        nonlocal written
        with real(self, key) as file:
            try:
                yield file
            finally:
                written = file.tell()

    with patch.object(LocalStorage, "writing", counting), patch("avatars.api.form_receiver.MAX_FORM_BYTES", 10**9):
        response = form_post(Client(), started["upload"], b"x" * (started["upload"]["max_bytes"] + 200_000))
    assert response.status_code == 400
    assert written <= started["upload"]["max_bytes"]


def test_a_second_upload_replaces_the_first_until_that_is_fetched(started: dict[str, Any], alice: APIClient) -> None:
    from avatars.models import Avatar

    etags = [form_post(Client(), started["upload"], data)["ETag"].strip('"') for data in (b"one", b"two")]
    assert Avatar.objects.get(id=started["id"]).upload_etag == etags[1]


def _body(fields: dict[str, str], data: bytes) -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'.encode()
    return b"".join(parts) + head + data


def _send(body: bytes, length: int | None = None) -> Any:
    environ: dict[str, Any] = {
        "CONTENT_LENGTH": str(len(body) if length is None else length),
        "wsgi.input": BytesIO(body),
    }
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return Client().generic("POST", "/avatars/upload", body, content_type=kind, **environ)


def _ids(started: dict[str, Any]) -> Any:
    from uuid import UUID

    parts = started["upload"]["fields"]["key"].split("/")
    return UUID(parts[1]), UUID(parts[2])


def _soon() -> Any:
    from datetime import UTC, datetime, timedelta

    return datetime.now(UTC) + timedelta(minutes=5)
