"""RFC 8291 against its own vector, and against http_ece as a stranger's implementation."""

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from providers.webpush.agreement import agree
from providers.webpush.base64url import b64url, b64url_decode
from providers.webpush.encryption import MAX_PLAINTEXT, encrypt
from providers.webpush.vapid import private_key_load
from tests.providers.webpush.examples import AUTH, UA_PUBLIC, decrypt

# RFC 8291 §5 and appendix A
PLAINTEXT = b"When I grow up, I want to be a watermelon"
SALT = b64url_decode("DGv6ra1nlYgDCS1FRnbzlw")
AS_PRIVATE = private_key_load(b64url_decode("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
    "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_the_vector_of_the_rfc() -> None:
    agreement = agree(UA_PUBLIC, private_key=AS_PRIVATE)
    body = encrypt(PLAINTEXT, p256dh=UA_PUBLIC, auth=AUTH, agreement=agreement, salt=SALT)
    assert b64url(body) == BODY


@given(st.binary(max_size=MAX_PLAINTEXT))
def test_a_stranger_can_read_it(plaintext: bytes) -> None:
    assert decrypt(encrypt(plaintext, p256dh=UA_PUBLIC, auth=AUTH)) == plaintext


def test_the_largest_message_fills_one_body_exactly() -> None:
    assert len(encrypt(b"x" * MAX_PLAINTEXT, p256dh=UA_PUBLIC, auth=AUTH)) == 4096


def test_key_and_salt_are_fresh_each_time() -> None:
    first, second = (encrypt(b"", p256dh=UA_PUBLIC, auth=AUTH) for _ in range(2))
    assert first[:16] != second[:16]
    assert first[21:86] != second[21:86]


def test_a_point_off_the_curve_is_refused() -> None:
    with pytest.raises(ValueError):
        encrypt(b"", p256dh=b"\x04" + b"\x01" * 64, auth=AUTH)


def test_it_is_not_readable_with_another_key() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(http_ece.ECEException):
        http_ece.decrypt(encrypt(b"x", p256dh=UA_PUBLIC, auth=AUTH), private_key=other, auth_secret=AUTH)
