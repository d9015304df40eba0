"""Values sealed together are sealed apart."""

from base64 import b64encode

import pytest

from pushhub.kernel.crypto import Keyring
from pushhub.kernel.env import EnvironmentInvalid

KEYRING = Keyring([f"k1:{b64encode(bytes(32)).decode()}"])


def test_each_of_many_has_its_own_nonce_and_opens() -> None:
    plaintexts = [b"same"] * 100
    sealed = KEYRING.seal_many(plaintexts, purpose="a")
    nonces = {value.partition(b"\0")[2][:12] for value in sealed}
    assert len(nonces) == 100
    assert [KEYRING.open(value, purpose="a") for value in sealed] == plaintexts


def test_two_keys_of_one_id_are_refused() -> None:
    """What the one that loses had sealed would not open any more."""
    with pytest.raises(EnvironmentInvalid, match="names k1 twice"):
        Keyring([f"k1:{b64encode(key).decode()}" for key in (bytes(32), bytes(31) + b"x")])
