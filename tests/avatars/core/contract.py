"""What every store must do, files or S3: the same forms with the same strict checks, exact versions, full deletion."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests

from avatars.keys import upload_key
from avatars.storage.base import ObjectMissing, ObjectTooLarge, Storage, UploadForm

MAX_BYTES = 5000
DATA = b"x" * 1000
Post = Callable[..., int]


class StorageContract:
    @pytest.fixture
    def storage(self) -> Storage:
        raise NotImplementedError

    @pytest.fixture
    def origin(self) -> str:
        """What precedes a form's relative URL."""
        return ""

    @pytest.fixture
    def key(self) -> str:
        return upload_key(uuid4(), uuid4())

    @pytest.fixture
    def form(self, storage: Storage, key: str) -> UploadForm:
        return form_of(storage, key)

    @pytest.fixture
    def post(self, origin: str) -> Post:
        def send(form: UploadForm, data: bytes = DATA, fields: dict[str, Any] | None = None, **changes: str) -> int:
            body = {**form.fields, **changes} if fields is None else fields
            url = form.url if form.url.startswith("http") else origin + form.url
            return requests.post(url, data=body, files={"file": data}, timeout=10).status_code

        return send

    def test_takes_what_the_form_allows(self, storage: Storage, key: str, form: UploadForm, post: Post) -> None:
        assert post(form) in {200, 201, 204}
        info = storage.stat(key)
        assert info is not None
        assert info.size == len(DATA)
        assert storage.get(key, max_bytes=MAX_BYTES, version=info.version, etag=info.etag) == DATA

    def test_takes_exactly_the_largest(self, form: UploadForm, post: Post) -> None:
        assert post(form, b"x" * MAX_BYTES) in {200, 201, 204}

    def test_refuses_one_byte_more(self, storage: Storage, key: str, form: UploadForm, post: Post) -> None:
        refused(post(form, b"x" * (MAX_BYTES + 1)), storage, key)

    def test_refuses_far_too_much(self, storage: Storage, key: str, form: UploadForm, post: Post) -> None:
        refused(post(form, b"x" * 3_000_000), storage, key)

    def test_refuses_an_empty_file(self, storage: Storage, key: str, form: UploadForm, post: Post) -> None:
        refused(post(form, b""), storage, key)

    def test_refuses_another_type(self, storage: Storage, key: str, form: UploadForm, post: Post) -> None:
        refused(post(form, **{"Content-Type": "text/html"}), storage, key)

    def test_refuses_another_key(self, storage: Storage, form: UploadForm, post: Post) -> None:
        other = upload_key(uuid4(), uuid4())
        refused(post(form, key=other), storage, other)

    def test_refuses_a_tampered_policy(self, storage: Storage, key: str, form: UploadForm, post: Post) -> None:
        wider = form_of(storage, key, max_bytes=9_000_000)
        refused(post(form, policy=wider.fields["policy"]), storage, key)

    def test_refuses_a_tampered_signature(self, storage: Storage, key: str, form: UploadForm, post: Post) -> None:
        refused(post(form, **{"x-amz-signature": "0" * 64}), storage, key)

    def test_refuses_a_form_without_signature(self, storage: Storage, key: str, form: UploadForm, post: Post) -> None:
        bare = {name: value for name, value in form.fields.items() if name != "x-amz-signature"}
        refused(post(form, fields=bare), storage, key)

    def test_refuses_a_form_without_policy(self, storage: Storage, key: str, form: UploadForm, post: Post) -> None:
        refused(post(form, fields={"key": key, "Content-Type": "image/jpeg"}), storage, key)

    def test_refuses_a_form_that_has_ended(self, storage: Storage, key: str, post: Post) -> None:
        refused(post(form_of(storage, key, seconds=-5)), storage, key)

    def test_reads_the_requested_version(self, storage: Storage, key: str, form: UploadForm, post: Post) -> None:
        post(form, b"first")
        first = storage.stat(key)
        assert first is not None
        post(form, b"second")
        try:
            assert storage.get(key, max_bytes=MAX_BYTES, version=first.version, etag=first.etag) == b"first"
        except ObjectMissing:
            assert first.version == ""  # a store without versions has only the newest

    def test_reads_no_more_than_asked_for(self, storage: Storage, key: str, form: UploadForm, post: Post) -> None:
        post(form)
        with pytest.raises(ObjectTooLarge):
            storage.get(key, max_bytes=len(DATA) - 1)

    def test_a_missing_object_is_not_found(self, storage: Storage, key: str) -> None:
        assert storage.stat(key) is None
        with pytest.raises(ObjectMissing):
            storage.get(key, max_bytes=1)

    def test_deletes_every_version(self, storage: Storage, key: str, form: UploadForm, post: Post) -> None:
        post(form, b"first")
        first = storage.stat(key)
        assert first is not None
        post(form, b"second")
        storage.delete(key)
        assert storage.stat(key) is None
        with pytest.raises(ObjectMissing):
            storage.get(key, max_bytes=MAX_BYTES, version=first.version, etag=first.etag)

    def test_deleting_nothing_is_no_error(self, storage: Storage, key: str) -> None:
        storage.delete(key)
        storage.delete(key)

    def test_deletes_no_object_with_a_similar_key(self, storage: Storage) -> None:
        key = f"masters/{uuid4()}/{uuid4()}/abc.png"
        for name in (key, key.replace("abc", "abcd")):
            storage.put(name, name.encode(), content_type="image/png")
        storage.delete(key)
        assert storage.stat(key) is None
        assert storage.stat(key.replace("abc", "abcd")) is not None

    def test_a_repeated_put_changes_nothing(self, storage: Storage) -> None:
        key = f"public/{uuid4()}/{uuid4()}/abc.webp"
        for _ in range(2):
            storage.put(key, DATA, content_type="image/webp")
        assert storage.get(key, max_bytes=MAX_BYTES) == DATA


def form_of(storage: Storage, key: str, *, max_bytes: int = MAX_BYTES, seconds: int = 300) -> UploadForm:
    return storage.upload_form(
        key=key,
        content_type="image/jpeg",
        max_bytes=max_bytes,
        expires_at=datetime.now(UTC) + timedelta(seconds=seconds),
    )


def refused(status: int, storage: Storage, key: str) -> None:
    assert 400 <= status < 500, status
    assert storage.stat(key) is None
