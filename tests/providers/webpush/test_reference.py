"""pywebpush and py_vapid as the selectable path: the same contract, and each reads what the other wrote."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import Unsendable
from providers.types import Outcome, Push
from providers.webpush import encryption, reference, vapid
from providers.webpush.base64url import b64url
from providers.webpush.provider import WebPushProvider
from providers.webpush.types import WebPushCredentials, WebPushEndpoint
from sandbox import ece
from tests.providers.contract import ProviderContract
from tests.providers.webpush.examples import (
    AUTH,
    CREDENTIALS,
    KEY,
    PUSH,
    REGISTRATION,
    SECRETS,
    UA_PRIVATE,
    UA_PUBLIC,
    claims,
    decrypt,
)


@pytest.fixture
def provider() -> WebPushProvider:
    return WebPushProvider(reference=True)


@pytest.fixture
def push() -> Push:
    return PUSH


class TestContract(ProviderContract):
    secrets = SECRETS
    registration = REGISTRATION


@given(st.binary(min_size=1, max_size=encryption.MAX_PLAINTEXT))
def test_our_sandbox_reads_what_the_reference_wrote(plaintext: bytes) -> None:
    sealed = ece.parse(reference.encrypt(plaintext, p256dh=UA_PUBLIC, auth=AUTH))
    assert ece.decrypt(sealed, UA_PRIVATE, UA_PUBLIC, AUTH) == plaintext


def test_http_ece_reads_what_both_paths_send(provider: WebPushProvider) -> None:
    assert decrypt(provider.request(PUSH).body) == decrypt(WebPushProvider().request(PUSH).body)


def test_both_write_the_same_headers(provider: WebPushProvider) -> None:
    ours, theirs = WebPushProvider().request(PUSH).headers, provider.request(PUSH).headers
    assert {**ours, "Authorization": ""} == {**theirs, "Authorization": ""}


def test_both_sign_the_same_claims() -> None:
    signers = (reference.token_sign, vapid.token_sign)
    tokens = [sign(CREDENTIALS, audience="https://a.example", expires=1) for sign in signers]
    theirs, ours = (claims(f"vapid t={token}, k={b64url(CREDENTIALS.public_key)}") for token in tokens)
    assert theirs == ours == {"aud": "https://a.example", "exp": 1, "sub": "mailto:push@example.com"}


@pytest.mark.parametrize("sub", ["https://acme.example/contact", "mailto:push@acme.example"])
def test_contacts_that_we_take_are_signed(sub: str) -> None:
    credentials = WebPushCredentials(key_id="k", private_key=KEY.private_key, public_key=KEY.public_key, sub=sub)
    assert reference.token_sign(credentials, audience="https://a.example", expires=1).count(".") == 2


@pytest.mark.parametrize("sign", [reference.token_sign, vapid.token_sign])
def test_a_broken_key_is_a_value_error(sign: Any) -> None:
    broken = WebPushCredentials(key_id="k", private_key=b"\x00" * 32, public_key=KEY.public_key, sub="mailto:a@b.com")
    with pytest.raises(ValueError):
        sign(broken, audience="https://a.example", expires=1)


def test_a_key_off_the_curve_ends_the_subscription(provider: WebPushProvider) -> None:
    broken = WebPushEndpoint(url="https://push.example.org/2", p256dh=b"\x04" + b"\x01" * 64, auth=AUTH)
    with pytest.raises(Unsendable) as caught:
        provider.request(replace(PUSH, endpoint=broken))
    assert caught.value.result.outcome is Outcome.ENDPOINT_GONE
