"""Encryption at rest: every sealed column is known and can be rotated, and a key in use cannot be retired."""

import base64
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db.models import BinaryField

from pushhub.kernel import crypto
from pushhub.kernel.crypto import Keyring, SealBroken, keyring, unseal
from pushhub.kernel.purposes import Purpose
from pushhub.kernel.sealed_field import SealedField
from tenants import sealed
from tenants.models import IdentityKey
from tenants.sealed import sealed_columns, sealed_counts, sealed_rotate
from tenants.services import TenantCreated, identity_key_create

pytestmark = pytest.mark.django_db

COLUMN = next(column for column in sealed_columns() if column.purpose == Purpose.IDENTITY_KEY)


def entry(key_id: str) -> Any:
    return f"{key_id}:{base64.b64encode(key_id.encode() * 16).decode()}"


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`keys("k2", "k1")` sets PUSHHUB_ENCRYPTION_KEYS for the rest of the test."""

    def use(*key_ids: str) -> Any:
        ring = Keyring([entry(key_id) for key_id in key_ids])
        for module in (crypto, *_command_modules()):
            monkeypatch.setattr(module, "keyring", lambda: ring)

    use("k1")
    return use


def _command_modules() -> Any:
    from tenants.management.commands import encryption_retire, encryption_rotate, encryption_status

    return sealed, encryption_retire, encryption_rotate, encryption_status


def stored(**which: Any) -> bytes:
    """The sealed secret of an identity key, as stored in the database."""
    return bytes(IdentityKey.objects.get(**which).secret_sealed or b"")


def printed(*arguments: str) -> Any:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_each_sealed_purpose_is_the_purpose_of_one_column() -> None:
    assert sorted(column.purpose for column in sealed_columns()) == [
        "avatars.s3subscription.subscribe_url_sealed",
        "devices.app.credentials_sealed",
        "devices.callbackreceipt.subscribe_url_sealed",
        "devices.device.endpoint_sealed",
        "devices.jobchunk.data_sealed",
        "devices.vapidkey.private_key_sealed",
        "tenants.idempotencyrecord.answer_sealed",
        "tenants.identitykey.secret_sealed",
    ]


def test_a_binary_field_is_sealed_or_a_hash() -> None:
    """Hashes are no secrets. Every other binary field is a SealedField, and only those are named `*_sealed`."""
    fields = [
        field for model in apps.get_models() for field in model._meta.local_fields if isinstance(field, BinaryField)
    ]
    sealed_fields = {str(field) for field in fields if isinstance(field, SealedField)}
    assert sealed_fields == {str(field) for field in fields if field.name.endswith("_sealed")}
    assert sealed_fields == {str(field) for field in fields if not field.name.endswith("_hash")}


def test_rotation_seals_every_row_again_and_keeps_its_content(keys: Callable[..., None], acme: TenantCreated) -> None:
    made = [identity_key_create(tenant=acme.tenant) for _ in range(3)]
    keys("k2", "k1")
    printed("encryption_rotate")
    keys("k2")
    for created in made:
        assert unseal(stored(pk=created.key.pk), purpose=Purpose.IDENTITY_KEY) == created.secret.encode()
    assert set(sealed_counts(COLUMN)) == {"k2"}


def test_a_stopped_rotation_can_be_continued(
    keys: Callable[..., None], acme: TenantCreated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed, "BATCH", 2)
    for _ in range(4):
        identity_key_create(tenant=acme.tenant)
    keys("k2", "k1")
    next(sealed_rotate(COLUMN))
    assert sealed_counts(COLUMN) == {"k1": 3, "k2": 2}
    *_, last = sealed_rotate(COLUMN)
    assert (last.resealed, sealed_counts(COLUMN)) == (3, {"k2": 5})


def test_a_row_that_changes_during_its_batch_keeps_the_new_value(
    keys: Callable[..., None], acme: TenantCreated, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys("k2", "k1")

    def seal_late(plaintext: bytes, *, purpose: Purpose) -> bytes:
        IdentityKey.objects.update(secret_sealed=b"newer")
        return crypto.seal(plaintext, purpose=purpose)

    monkeypatch.setattr(sealed, "seal", seal_late)
    progress = next(sealed_rotate(COLUMN))
    assert (progress.resealed, stored()) == (0, b"newer")


def test_a_value_that_no_key_opens_is_counted_and_stays(keys: Callable[..., None], acme: TenantCreated) -> None:
    keys("k2")
    with pytest.raises(CommandError, match="do not open"):
        printed("encryption_rotate")
    assert sealed_counts(COLUMN) == {"k1": 1}


def test_status_counts_rows_by_key(keys: Callable[..., None], acme: TenantCreated) -> None:
    keys("k2", "k1")
    identity_key_create(tenant=acme.tenant)
    line = next(line for line in printed("encryption_status").splitlines() if line.startswith(COLUMN.purpose))
    assert line.split(maxsplit=1)[1] == "k1: 1, k2: 1"


def test_a_key_in_use_does_not_retire_and_the_columns_are_named(keys: Callable[..., None], acme: TenantCreated) -> None:
    keys("k2", "k1")
    with pytest.raises(CommandError, match=r"tenants\.identitykey\.secret_sealed \(1\)"):
        printed("encryption_retire", "k1")


def test_the_sealing_key_does_not_retire(keys: Callable[..., None]) -> None:
    with pytest.raises(CommandError, match="successor"):
        printed("encryption_retire", "k1")


def test_an_unused_key_retires_after_rotation(keys: Callable[..., None], acme: TenantCreated) -> None:
    keys("k2", "k1")
    printed("encryption_rotate")
    assert "Remove it" in printed("encryption_retire", "k1")


def test_a_value_does_not_open_in_another_column(acme: TenantCreated) -> None:
    with pytest.raises(SealBroken):
        keyring().open(stored(), purpose=Purpose.ENDPOINT)
