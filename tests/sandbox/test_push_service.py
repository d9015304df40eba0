"""For each rule of RFC 8030, 8291 and 8292: a request that breaks the rule is refused."""

import http.client
import json
import time
from urllib.parse import urlsplit

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02
from pywebpush import webpush

from sandbox import ece
from sandbox.testing import SandboxProcess, WebSubscription
from sandbox.vapid import VapidFault, VapidVerifier
from tests.sandbox.sender import Sender, decode, encode, new_key, raw_point

DAY = 24 * 3600


def codes(sandbox: SandboxProcess) -> list[str]:
    return [violation["code"] for violation in sandbox.violations()]


def test_a_correct_push_is_decrypted_and_recorded(
    sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription
) -> None:
    sender.send(subscription, headers={"Topic": "bG9naW4", "Urgency": "high"})
    (caught,) = sandbox.messages(user="alice")
    assert caught["payload"] == {"title": "Hello"}
    assert caught["headers"] == {"TTL": "60", "Topic": "bG9naW4", "Urgency": "high", "vapid_k": sender.key}


def test_pywebpush_is_accepted(sandbox: SandboxProcess) -> None:
    vapid = Vapid02()
    vapid.generate_keys()
    (subscription,) = sandbox.mint_web(application_server_key=encode(raw_point(vapid.private_key)))
    claims = {"sub": "mailto:ops@example.com"}
    webpush(subscription, '{"title": "Hello"}', vapid_private_key=vapid, vapid_claims=claims, ttl=60)
    assert not sandbox.violations()


def test_the_response_has_the_location_and_the_ttl(sender: Sender, subscription: WebSubscription) -> None:
    response = sender.send(subscription)
    assert (response.status_code, response.headers["TTL"]) == (201, "60")
    assert response.headers["Location"].startswith(sender.origin)


def test_ttl_is_shortened_to_four_weeks(sender: Sender, subscription: WebSubscription) -> None:
    assert sender.send(subscription, headers={"TTL": "99999999"}).headers["TTL"] == str(28 * DAY)


def test_the_largest_plaintext_fits(sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription) -> None:
    assert sender.send(subscription, sender.seal(subscription, b"x" * 3993)).status_code == 201


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"TTL": None}, "ttl"),
        ({"TTL": "-1"}, "ttl"),
        ({"TTL": "soon"}, "ttl"),
        ({"Topic": "a" * 33}, "topic"),
        ({"Topic": "YWJj=ZGU"}, "topic"),
        ({"Topic": "thirteenchars"}, "topic_length"),
        ({"Urgency": "urgent"}, "urgency"),
        ({"Urgency": "low, high"}, "urgency"),
        ({"Content-Encoding": None}, "content_encoding"),
        ({"Content-Encoding": "aesgcm"}, "content_encoding"),
    ],
)
def test_headers_are_refused(
    sandbox: SandboxProcess,
    sender: Sender,
    subscription: WebSubscription,
    headers: dict[str, str | None],
    code: str,
) -> None:
    assert sender.send(subscription, headers=headers).status_code == 400
    assert codes(sandbox) == [code]
    assert not sandbox.messages()


@pytest.mark.parametrize("name", ["TTL", "Topic", "Urgency"])
def test_a_repeated_header_is_refused(
    sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription, name: str
) -> None:
    url = urlsplit(subscription["endpoint"])
    connection = http.client.HTTPConnection(url.netloc, timeout=5)
    connection.putrequest("POST", url.path)
    for header, value in [("TTL", "60"), (name, "60"), (name, "60"), ("Content-Length", "0")]:
        connection.putheader(header, value)
    connection.endheaders()
    assert connection.getresponse().status == 400
    assert codes(sandbox) == [f"{name.lower()}_repeated"]


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"aud": "https://push.example.net"}, "jwt_aud"),
        ({"aud": None}, "jwt_aud"),
        ({"exp": 0}, "jwt_expired"),
        ({"exp": 9_999_999_999}, "jwt_exp_too_long"),
        ({"exp": "soon"}, "jwt_exp"),
        ({"sub": None}, "jwt_sub"),
        ({"sub": "ops@example.com"}, "jwt_sub"),
        ({"sub": "mailto:ops@localhost"}, "jwt_sub"),
        ({"sub": "mailto:ops@acme.invalid"}, "jwt_sub"),
        ({"sub": "https://localhost"}, "jwt_sub"),
    ],
)
def test_claims_are_refused(
    sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription, claims: dict[str, object], code: str
) -> None:
    header = hand_signed(sender, claims)
    assert sender.send(subscription, headers={"Authorization": header}).status_code == 403
    assert codes(sandbox) == [code]


def hand_signed(sender: Sender, claims: dict[str, object]) -> str:
    """A token made by PyJWT, because py_vapid corrects some claims before it signs."""
    good = {"aud": sender.origin, "sub": "mailto:ops@example.com", "exp": int(time.time()) + 60}
    kept = {name: value for name, value in (good | claims).items() if value is not None}
    return f"vapid t={jwt.api_jws.encode(json.dumps(kept).encode(), sender.vapid.private_key, 'ES256')}, k={sender.key}"


def test_exp_a_little_over_24_hours_is_refused(
    sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription
) -> None:
    sender.send(subscription, exp=int(time.time()) + 25 * 3600)
    assert codes(sandbox) == ["jwt_exp_too_long"]


def test_no_authorization_is_401(sender: Sender, subscription: WebSubscription) -> None:
    assert sender.send(subscription, headers={"Authorization": None}).status_code == 401


def test_a_key_that_is_not_the_subscriptions_is_403(
    sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription
) -> None:
    assert Sender(sandbox.url).send(subscription).status_code == 403
    assert codes(sandbox) == ["vapid_key_mismatch"]


def test_a_signature_by_another_key_is_403(
    sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription
) -> None:
    token = Sender(sandbox.url).authorization().partition(",")[0]
    assert sender.send(subscription, headers={"Authorization": f"{token},k={sender.key}"}).status_code == 403
    assert codes(sandbox) == ["jwt_signature"]


def test_a_cached_token_still_expires(sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription) -> None:
    header = {"Authorization": sender.authorization(exp=int(time.time()) + 2)}
    assert sender.send(subscription, headers=header).status_code == 201
    time.sleep(2.1)
    assert sender.send(subscription, headers=header).status_code == 403


def test_4097_bytes_are_413(sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription) -> None:
    body = sender.seal(subscription, b"x" * 3994)
    assert len(body) == 4097
    assert sender.send(subscription, body).status_code == 413
    assert codes(sandbox) == ["body_too_large"]


def test_two_records_are_refused(sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription) -> None:
    assert sender.send(subscription, sender.seal(subscription, b"x" * 500, record_size=300)).status_code == 400
    assert codes(sandbox) == ["record_size"]


@pytest.mark.parametrize("reused", ["key", "salt"])
def test_a_reused_key_or_salt_is_refused(
    sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription, reused: str
) -> None:
    shared = {"key": new_key()} if reused == "key" else {"salt": b"0123456789abcdef"[::-1]}
    for _ in range(2):
        response = sender.send(subscription, sender.seal(subscription, **shared))
    assert response.status_code == 400
    assert codes(sandbox) == ["key_reused"]


def test_the_vapid_key_may_not_encrypt(sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription) -> None:
    sender.send(subscription, sender.seal(subscription, key=sender.vapid.private_key))
    assert codes(sandbox) == ["vapid_key_reused"]


def test_a_body_for_another_subscription_is_refused(
    sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription
) -> None:
    (other,) = sandbox.mint_web(application_server_key=sender.key)
    assert sender.send(subscription, sender.seal(other)).status_code == 400
    assert codes(sandbox) == ["decryption"]


def test_a_point_off_the_curve_is_refused(
    sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription
) -> None:
    body = bytearray(sender.seal(subscription))
    body[85] ^= 1
    sender.send(subscription, bytes(body))
    assert codes(sandbox) == ["sender_key"]


@pytest.mark.parametrize(("body", "code"), [(b"", "body_short"), (b"x" * 200, "idlen")])
def test_a_body_without_the_header_block_is_refused(
    sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription, body: bytes, code: str
) -> None:
    assert sender.send(subscription, body).status_code == 400
    assert codes(sandbox) == [code]


def test_an_unknown_capability_is_404(sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription) -> None:
    unknown: WebSubscription = {**subscription, "endpoint": f"{sandbox.url}/push/{'x' * 32}"}
    assert sender.send(unknown).status_code == 404


def test_a_load_generator_may_use_its_own_keys(sandbox: SandboxProcess, sender: Sender) -> None:
    keys = {"p256dh": encode(raw_point(new_key())), "auth": encode(b"0123456789abcdef")}
    (own,) = sandbox.mint_web(keys=keys)
    assert own["keys"] == keys
    assert sender.send(own).status_code == 201
    assert sandbox.messages()[0]["payload"] is None


def test_only_post_is_allowed(sender: Sender, subscription: WebSubscription) -> None:
    assert requests.get(subscription["endpoint"], timeout=5).status_code == 405


def test_a_message_cut_after_its_first_record_is_refused(
    sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription
) -> None:
    """The first of several records ends in 0x01. The record size is not authenticated, so it can hide the cut."""
    whole = sender.seal(subscription, b"x" * 500, record_size=300)
    cut = whole[:16] + (4096).to_bytes(4, "big") + whole[20 : 86 + 300]
    sender.send(subscription, cut)
    assert codes(sandbox) == ["delimiter"]


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("WebPush {t}", 401, "authorization_scheme"),
        ("vapid t={t}", 403, "authorization_malformed"),
        ("vapid t={t}, k={k}, k={k}", 403, "authorization_malformed"),
        ("vapid t={t}, k=AAAA", 403, "vapid_key"),
        ("vapid t=a.b, k={k}", 403, "jwt_malformed"),
        ("vapid t=e30.e30.AAAA, k={k}", 403, "jwt_alg"),
    ],
)
def test_malformed_credentials_are_refused(
    sandbox: SandboxProcess, sender: Sender, subscription: WebSubscription, header: str, status: int, code: str
) -> None:
    token = sender.authorization().partition("t=")[2].partition(",")[0]
    response = sender.send(subscription, headers={"Authorization": header.format(t=token, k=sender.key)})
    assert (response.status_code, codes(sandbox)) == (status, [code])


def test_the_vapid_example_of_the_rfc_is_valid_but_expired() -> None:
    """RFC 8292 §2.4. Everything in it is valid except the expiry in 2016."""
    token = (
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1"
        "YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2"
        "L9OkSSHzvoD1oA"
    )
    key = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
    with pytest.raises(VapidFault) as refused:
        VapidVerifier("https://push.example.net").verify(f"vapid t={token}, k={key}")
    assert refused.value.code == "jwt_expired"


def test_the_encryption_example_of_the_rfc_is_decrypted() -> None:
    """RFC 8291 §5."""
    body = decode(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
        "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    secret = int.from_bytes(decode("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big")
    key = ec.derive_private_key(secret, ec.SECP256R1())
    plaintext = ece.decrypt(ece.parse(body), key, raw_point(key), decode("BTBZMqHH6r4Tts7J_aSIgg"))
    assert plaintext == b"When I grow up, I want to be a watermelon"
