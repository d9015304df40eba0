"""Sealed values and keyed hashes: nonces, keys and purposes."""

from base64 import b64encode

import pytest

from pushhub.kernel.crypto import Keyring
from pushhub.kernel.env import EnvironmentInvalid
from pushhub.kernel.purposes import Purpose

KEYRING = Keyring([f"k1:{b64encode(bytes(32)).decode()}"])


def test_each_of_many_has_its_own_nonce_and_opens() -> None:
    plaintexts = [b"same"] * 100
    sealed = KEYRING.seal_many(plaintexts, purpose=Purpose.CHECK)
    nonces = {value.partition(b"\0")[2][:12] for value in sealed}
    assert len(nonces) == 100
    assert [KEYRING.open(value, purpose=Purpose.CHECK) for value in sealed] == plaintexts


def test_purposes_are_the_strings_that_stored_values_were_sealed_with() -> None:
    """With another string, a stored value cannot be opened and a stored hash cannot be found. Only add to this list."""
    assert {purpose.value for purpose in Purpose} == {
        "avatars.s3subscription.subscribe_url_sealed",
        "avatars.upload.policy",
        "check",
        "devices.app.credentials_sealed",
        "devices.callbackreceipt.subscribe_url_sealed",
        "devices.device.endpoint_hash",
        "devices.device.endpoint_sealed",
        "devices.jobchunk.data_sealed",
        "devices.vapidkey.private_key_sealed",
        "notifications.receipt",
        "tenants.idempotencyrecord.answer_sealed",
        "tenants.identitykey.secret_sealed",
    }


def test_two_keys_with_the_same_id_are_refused() -> None:
    """The values sealed with the first of them could not be opened any more."""
    with pytest.raises(EnvironmentInvalid, match="names k1 twice"):
        Keyring([f"k1:{b64encode(key).decode()}" for key in (bytes(32), bytes(31) + b"x")])
