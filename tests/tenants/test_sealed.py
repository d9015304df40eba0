"""Encryption at rest: every sealed column is known, moves to a new key, and no key in use is let go."""

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
from tenants import sealed
from tenants.models import IdentityKey
from tenants.sealed import sealed_columns, sealed_counts, sealed_rotate
from tenants.services import TenantCreated, identity_key_create
from tenants.user_tokens import SECRET_PURPOSE

pytestmark = pytest.mark.django_db

COLUMN = next(column for column in sealed_columns() if column.purpose == SECRET_PURPOSE)


def entry(key_id: str) -> Any:
    return f"{key_id}:{base64.b64encode(key_id.encode() * 16).decode()}"


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`keys("k2", "k1")`: what PUSHHUB_ENCRYPTION_KEYS says from now on."""

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
    """An identity key's sealed secret, as it lies in the database."""
    return bytes(IdentityKey.objects.get(**which).secret_sealed or b"")


def printed(*arguments: str) -> Any:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_every_sealed_field_is_found() -> None:
    found = {column.purpose for column in sealed_columns()}
    assert found >= {SECRET_PURPOSE, "tenants.idempotencyrecord.answer_sealed", "devices.device.endpoint_sealed"}


def test_no_binary_field_holds_secrets_under_another_name() -> None:
    """Hashes are not secrets; anything else binary is to be named *_sealed."""
    names = {
        field.name
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, BinaryField)
    }
    assert {name for name in names if not name.endswith(("_sealed", "_hash"))} == set()


def test_rotating_moves_every_row_and_keeps_its_content(keys: Callable[..., None], acme: TenantCreated) -> None:
    made = [identity_key_create(tenant=acme.tenant) for _ in range(3)]
    keys("k2", "k1")
    printed("encryption_rotate")
    keys("k2")
    for created in made:
        assert unseal(stored(pk=created.key.pk), purpose=SECRET_PURPOSE) == created.secret.encode()
    assert set(sealed_counts(COLUMN)) == {"k2"}


def test_a_rotation_goes_on_where_it_was_stopped(
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


def test_a_row_changed_meanwhile_keeps_what_its_writer_sealed(keys: Callable[..., None], acme: TenantCreated) -> None:
    keys("k2", "k1")
    rows = sealed._pending(COLUMN, b"k2\0", None)
    IdentityKey.objects.update(secret_sealed=b"newer")
    progress = sealed.Progress()
    sealed._batch_reseal(COLUMN, rows, progress)
    assert (progress.resealed, stored()) == (0, b"newer")


def test_what_no_key_opens_is_counted_and_left(keys: Callable[..., None], acme: TenantCreated) -> None:
    keys("k2")
    with pytest.raises(CommandError, match="do not open"):
        printed("encryption_rotate")
    assert sealed_counts(COLUMN) == {"k1": 1}


def test_status_counts_rows_by_key(keys: Callable[..., None], acme: TenantCreated) -> None:
    keys("k2", "k1")
    identity_key_create(tenant=acme.tenant)
    line = next(line for line in printed("encryption_status").splitlines() if line.startswith(SECRET_PURPOSE))
    assert line.split(maxsplit=1)[1] == "k1: 1, k2: 1"


def test_a_key_in_use_does_not_retire_and_where_is_said(keys: Callable[..., None], acme: TenantCreated) -> None:
    keys("k2", "k1")
    with pytest.raises(CommandError, match=r"tenants\.identitykey\.secret_sealed \(1\)"):
        printed("encryption_retire", "k1")


def test_the_sealing_key_does_not_retire(keys: Callable[..., None]) -> None:
    with pytest.raises(CommandError, match="successor"):
        printed("encryption_retire", "k1")


def test_an_unused_key_retires_after_rotation(keys: Callable[..., None], acme: TenantCreated) -> None:
    keys("k2", "k1")
    printed("encryption_rotate")
    assert "remove it" in printed("encryption_retire", "k1")


def test_a_value_does_not_open_in_another_column(acme: TenantCreated) -> None:
    with pytest.raises(SealBroken):
        keyring().open(stored(), purpose="devices.device.endpoint_sealed")
