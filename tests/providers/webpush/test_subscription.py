"""PushSubscription.toJSON(), read strictly."""

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from outgoing.network import VENDOR_PUSH_HOSTS, NetworkPolicy
from providers.webpush.base64url import b64url
from providers.webpush.subscription import Subscription, SubscriptionInvalid, subscription_parse
from tests.providers.webpush.examples import AUTH, UA_PUBLIC

URL = "https://fcm.googleapis.com/fcm/send/x"


def parse(data: object) -> Subscription:
    return subscription_parse(data, policy=NetworkPolicy(), allowed_hosts=VENDOR_PUSH_HOSTS)


def subscription(**keys: Any) -> dict[str, Any]:
    return {"endpoint": URL, "expirationTime": None, "keys": {"p256dh": b64url(UA_PUBLIC), "auth": b64url(AUTH)} | keys}


def test_a_browsers_subscription_is_read() -> None:
    parsed = parse(subscription())
    assert (parsed.endpoint.url, parsed.endpoint.p256dh, parsed.endpoint.auth) == (URL, UA_PUBLIC, AUTH)
    assert parsed.expires_at is None


def test_padding_is_accepted() -> None:
    assert parse(subscription(auth=b64url(AUTH) + "==")).endpoint.auth == AUTH


def test_the_expiration_time_is_in_milliseconds() -> None:
    parsed = parse(subscription() | {"expirationTime": 1_800_000_000_000})
    assert parsed.expires_at == datetime(2027, 1, 15, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        (None, ""),
        ([], ""),
        ({}, "/keys"),
        (subscription() | {"keys": "x"}, "/keys"),
        (subscription() | {"endpoint": None}, "/endpoint"),
        (subscription() | {"endpoint": "https://169.254.169.254/"}, "/endpoint"),
        (subscription() | {"endpoint": "http://fcm.googleapis.com/"}, "/endpoint"),
        (subscription(p256dh=None), "/keys/p256dh"),
        (subscription(p256dh="!"), "/keys/p256dh"),
        (subscription(p256dh="A"), "/keys/p256dh"),
        (subscription(p256dh="A" * 300), "/keys/p256dh"),
        (subscription(p256dh=b64url(UA_PUBLIC[:64])), "/keys/p256dh"),
        (subscription(p256dh=b64url(b"\x04" + b"\x01" * 64)), "/keys/p256dh"),
        (subscription(auth=b64url(AUTH[:15])), "/keys/auth"),
        (subscription(auth=16), "/keys/auth"),
        (subscription() | {"expirationTime": "soon"}, "/expirationTime"),
        (subscription() | {"expirationTime": True}, "/expirationTime"),
        (subscription() | {"expirationTime": 10**30}, "/expirationTime"),
        (subscription() | {"expirationTime": float("nan")}, "/expirationTime"),
    ],
)
def test_what_is_wrong_is_pointed_at(data: object, pointer: str) -> None:
    with pytest.raises(SubscriptionInvalid) as caught:
        parse(data)
    assert caught.value.pointer == pointer


def accepted(raw: bytes) -> bool:
    try:
        return bool(parse(subscription(p256dh=b64url(raw))))
    except SubscriptionInvalid:
        return False


def known_to_openssl(raw: bytes) -> bool:
    try:
        return bool(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw))
    except ValueError:
        return False


@given(st.binary(min_size=65, max_size=65) | st.tuples(st.integers(0, 64), st.integers(0, 255)))
def test_a_point_is_judged_as_openssl_judges_it(change: bytes | tuple[int, int]) -> None:
    raw = bytearray(UA_PUBLIC if isinstance(change, tuple) else change)
    if isinstance(change, tuple):
        raw[change[0]] = change[1]
    assert accepted(bytes(raw)) == known_to_openssl(bytes(raw))


def test_coordinates_are_below_the_prime() -> None:
    """5 + p would be a second spelling of the point whose x is 5."""
    p, b = 2**256 - 2**224 + 2**192 + 2**96 - 1, 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    y = pow(5**3 - 3 * 5 + b, (p + 1) // 4, p).to_bytes(32)
    assert accepted(b"\x04" + (5).to_bytes(32) + y)
    assert not accepted(b"\x04" + (5 + p).to_bytes(32) + y)


def test_a_refused_host_says_why_without_repeating_it() -> None:
    with pytest.raises(SubscriptionInvalid) as caught:
        parse(subscription() | {"endpoint": "https://10.1.2.3/secret"})
    assert caught.value.code == "private_address"
    assert "secret" not in str(caught.value)


json_values = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=3)


@given(json_values, json_values, json_values, json_values)
def test_any_json_is_judged_without_another_exception(url: Any, key: Any, auth: Any, expires: Any) -> None:
    with pytest.raises(SubscriptionInvalid):
        parse({"endpoint": url, "keys": {"p256dh": key, "auth": auth}, "expirationTime": expires})
