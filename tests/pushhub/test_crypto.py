"""Values sealed together are sealed apart."""

from base64 import b64encode

from pushhub.crypto import Keyring

KEYRING = Keyring([f"k1:{b64encode(bytes(32)).decode()}"])


def test_each_of_many_has_its_own_nonce_and_opens() -> None:
    plaintexts = [b"same"] * 100
    sealed = KEYRING.seal_many(plaintexts, purpose="a")
    nonces = {value.partition(b"\0")[2][:12] for value in sealed}
    assert len(nonces) == 100
    assert [KEYRING.open(value, purpose="a") for value in sealed] == plaintexts
