"""RFC 8292: keys, contacts, and the header that is signed once per half lifetime."""

from base64 import b64encode

import py_vapid
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from providers.keys import KeyInvalid
from providers.webpush.base64url import b64url
from providers.webpush.vapid import (
    LIFETIME,
    Authorizations,
    vapid_key_import,
    vapid_sub_check,
)
from tests.providers.webpush.examples import CREDENTIALS, KEY, claims

ORIGIN = "https://push.example.net"
# RFC 8292 §2.4
VECTOR = (
    "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsI"
    "nN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2"
    "L9OkSSHzvoD1oA, "
    "k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
)


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_our_reader_agrees_with_the_rfcs_vector() -> None:
    assert claims(VECTOR) == {"aud": ORIGIN, "exp": 1453523768, "sub": "mailto:push@example.com"}


def test_the_header_says_who_to_whom_and_until_when() -> None:
    clock = Clock()
    header = Authorizations(clock=clock).header(CREDENTIALS, ORIGIN)
    assert claims(header) == {"aud": ORIGIN, "exp": int(clock.now) + LIFETIME, "sub": "mailto:push@example.com"}


def test_a_stranger_can_verify_it() -> None:
    token = Authorizations().header(CREDENTIALS, ORIGIN).removeprefix("vapid t=").split(", k=")[0]
    assert py_vapid.Vapid02.verify(f"vapid t={token},k={b64url(KEY.public_key)}")


def test_it_is_signed_once_until_half_its_life_is_over() -> None:
    clock = Clock()
    authorizations = Authorizations(clock=clock)
    first = authorizations.header(CREDENTIALS, ORIGIN)
    clock.now += LIFETIME / 2 - 1
    assert authorizations.header(CREDENTIALS, ORIGIN) == first
    clock.now += 1
    assert authorizations.header(CREDENTIALS, ORIGIN) != first


def test_each_origin_has_its_own() -> None:
    authorizations = Authorizations()
    other = authorizations.header(CREDENTIALS, "https://other.example.net")
    assert claims(other)["aud"] != claims(authorizations.header(CREDENTIALS, ORIGIN))["aud"]


def test_many_origins_cost_signatures_not_memory() -> None:
    authorizations = Authorizations(size=2)
    for number in range(5):
        authorizations.header(CREDENTIALS, f"https://{number}.example.net")
    assert len(authorizations._headers) == 2


def test_a_generated_key_survives_a_round_trip() -> None:
    assert vapid_key_import(b64url(KEY.private_key)) == KEY


@pytest.mark.parametrize("format_", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_keys_come_in_many_clothes(encoding: Encoding, format_: PrivateFormat) -> None:
    private = ec.derive_private_key(int.from_bytes(KEY.private_key, "big"), ec.SECP256R1())
    raw = private.private_bytes(encoding, format_, NoEncryption())
    assert vapid_key_import(raw.decode() if encoding is Encoding.PEM else b64url(raw)) == KEY


def der_of_an_unknown_curve() -> bytes:
    """prime239v1, which `cryptography` cannot read: a P-256 key with the curve's name changed (RFC 3279 §2.3.5)."""
    known = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return known.replace(bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d030104"))


UNKNOWN_CURVE = der_of_an_unknown_curve()


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        b64url(b"\x00" * 32),
        b64url(b"\xff" * 32),
        b64url(b"x" * 31),
        "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----",
        "/etc/passwd",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 2048)),
        b64url(UNKNOWN_CURVE),
        f"-----BEGIN PRIVATE KEY-----\n{b64encode(UNKNOWN_CURVE).decode()}\n-----END PRIVATE KEY-----",
    ],
)
def test_other_keys_are_refused(text: str) -> None:
    with pytest.raises(KeyInvalid):
        vapid_key_import(text)


@pytest.mark.parametrize(
    "sub", ["mailto:ops@acme.com", "https://acme.com", "https://acme.com/contact", "mailto:a+b@mail.acme.co.uk"]
)
def test_a_real_contact_passes(sub: str) -> None:
    assert vapid_sub_check(sub) == sub


@pytest.mark.parametrize(
    "sub",
    [
        "", "ops@acme.com", "mailto:", "mailto:ops", "mailto:ops@localhost", "mailto:ops@acme.invalid",
        "mailto:ops@acme.test", "mailto:a@b.com?subject=x", "http://acme.com", "https://localhost/", "https://",
        "https://10.0.0.1/", "https://user@acme.com", "mailto:ops@acme.com\r\nX: y", "https://acme.com/\n", "https://[x",
    ],
)  # fmt: skip
def test_a_contact_apple_would_refuse_is_refused(sub: str) -> None:
    with pytest.raises(KeyInvalid):
        vapid_sub_check(sub)


def test_no_private_key_shows() -> None:
    assert "private_key" not in repr(KEY)
    assert "private_key" not in repr(CREDENTIALS)
