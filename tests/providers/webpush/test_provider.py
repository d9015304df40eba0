"""Web push as a provider: the contract, the payload, the request, and each vendor's way to say no."""

import json
from dataclasses import replace
from typing import Any

import pytest

from outgoing.types import HttpResponse
from providers.errors import PayloadTooLarge, Unsendable, rule_find
from providers.registry import provider_get
from providers.types import Message, Outcome, Push, SendResult
from providers.webpush.provider import WebPushProvider
from providers.webpush.types import WebPushCredentials, WebPushEndpoint
from sandbox.vendors import STYLES, Fault, refusal
from tests.providers.contract import MESSAGE, ProviderContract
from tests.providers.webpush.examples import AUTH, KEY, PUSH, REGISTRATION, SECRETS, UA_PUBLIC, decrypt


@pytest.fixture
def provider() -> WebPushProvider:
    return WebPushProvider()


@pytest.fixture
def push() -> Push:
    return PUSH


class TestContract(ProviderContract):
    secrets = SECRETS
    registration = REGISTRATION


def content(provider: WebPushProvider, **message: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(provider.payload(replace(PUSH, message=replace(MESSAGE, **message))))
    return parsed


def test_the_registry_knows_it() -> None:
    assert isinstance(provider_get("webpush"), WebPushProvider)
    assert provider_get("webpush") is provider_get("webpush")


def test_the_payload_is_declarative_web_push_and_ours(provider: WebPushProvider) -> None:
    assert content(provider) == {
        "web_push": 8030,
        "mutable": True,
        "notification": {
            "title": "Café",
            "body": "for alice",
            "navigate": "https://acme.example/x",
            "tag": "login",
            "icon": "https://acme.example/i.png",
            "image": "https://acme.example/p.png",
            "actions": [{"action": "yes", "title": "It was me", "navigate": "https://acme.example/x"}],
            "data": {"k": "v", "n": 1},
            "app_badge": 3,
        },
        "pushhub": {"mapping": "mapping-1", "notification": "0193", "delivery": "delivery-1", "category": "login"},
    }


def test_without_a_url_it_is_not_declarative(provider: WebPushProvider) -> None:
    assert "web_push" not in content(provider, url="")


def test_without_a_collapse_key_a_repeat_still_replaces_its_twin(provider: WebPushProvider) -> None:
    assert content(provider, collapse_key="")["notification"]["tag"] == "0193"


def test_a_silent_message_has_nothing_to_show(provider: WebPushProvider) -> None:
    silent = content(provider, silent=True)
    assert (silent["notification"], "web_push" in silent) == ({"data": {"k": "v", "n": 1}}, False)


def test_overrides_come_last_but_not_over_our_ids(provider: WebPushProvider) -> None:
    over = {"webpush": {"notification": {"title": "Hi", "requireInteraction": True}, "pushhub": {"mapping": "other"}}}
    merged = content(provider, overrides=over)
    assert (merged["notification"]["title"], merged["notification"]["body"]) == ("Hi", "for alice")
    assert merged["notification"]["requireInteraction"] is True
    assert merged["pushhub"]["mapping"] == "mapping-1"


def test_the_limit_is_exact(provider: WebPushProvider) -> None:
    room = provider.payload_limit - len(provider.payload(PUSH)) + len(MESSAGE.body)
    assert len(provider.payload(replace(PUSH, message=replace(MESSAGE, body="x" * room)))) == 3993
    with pytest.raises(PayloadTooLarge):
        provider.payload(replace(PUSH, message=replace(MESSAGE, body="x" * (room + 1))))


@pytest.mark.parametrize("count", [1, 16])
def test_what_was_prepared_together_is_readable_and_used_once(provider: WebPushProvider, count: int) -> None:
    pushes = [replace(PUSH, delivery_id=f"delivery-{number}") for number in range(count)]
    assert provider.prepare(pushes) == count
    bodies = [provider.request(push).body for _ in range(2) for push in pushes]
    assert [decrypt(body) for body in bodies] == [provider.payload(push) for push in pushes] * 2
    assert len({body[21:86] for body in bodies}) == 2 * count  # the senders' keys


def test_what_was_prepared_is_not_copied(provider: WebPushProvider) -> None:
    push = replace(PUSH)
    provider.prepare([push])
    assert (push.prepared is None, replace(push).prepared) == (False, None)


def test_what_passes_at_acceptance_passes_with_the_longest_ids(provider: WebPushProvider) -> None:
    message = replace(MESSAGE, body="x" * (3993 - provider.payload_size(MESSAGE, "") + len(MESSAGE.body)))
    worst = replace(PUSH, message=message, mapping_id="m" * 36, delivery_id="d" * 36, receipt="r" * 96)
    assert len(provider.payload(worst)) == provider.payload_size(message, "") == 3993


def test_the_browser_reads_what_we_wrote(provider: WebPushProvider) -> None:
    assert decrypt(provider.request(PUSH).body) == provider.payload(PUSH)


def test_the_headers_of_rfc_8030(provider: WebPushProvider) -> None:
    request = provider.request(PUSH)
    authorization = dict(request.headers).pop("Authorization")
    assert (request.method, request.url) == ("POST", "https://push.example.org/s3cret")
    assert authorization.startswith("vapid t=ey")
    assert {k: v for k, v in request.headers.items() if k != "Authorization"} == {
        "TTL": "60",
        "Urgency": "high",
        "Topic": "QoghNQ6WkUkfYWt1TNgxX7hteXqzXYQ0",
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
    }


@pytest.mark.parametrize("key", ["a", "login", "x" * 500, "über/+=", "\x00"])
def test_every_topic_is_32_characters(provider: WebPushProvider, key: str) -> None:
    topic = provider.request(replace(PUSH, message=replace(MESSAGE, collapse_key=key))).headers["Topic"]
    assert len(topic) == 32
    assert topic.replace("-", "").replace("_", "").isalnum()


def test_no_topic_unless_the_tenant_asks(provider: WebPushProvider) -> None:
    assert "Topic" not in provider.request(replace(PUSH, message=replace(MESSAGE, collapse_key=""))).headers


@pytest.mark.parametrize(("ttl", "sent"), [(0, "0"), (2_419_200, "2419200"), (99_999_999, "2419200")])
def test_the_ttl_stays_within_what_vendors_take(provider: WebPushProvider, ttl: int, sent: str) -> None:
    assert provider.request(replace(PUSH, ttl=ttl)).headers["TTL"] == sent


def test_one_token_serves_an_origin(provider: WebPushProvider) -> None:
    other = replace(PUSH, endpoint=WebPushEndpoint(url="https://push.example.org/2", p256dh=UA_PUBLIC, auth=AUTH))
    assert provider.request(PUSH).headers["Authorization"] == provider.request(other).headers["Authorization"]


def test_a_key_off_the_curve_ends_the_subscription(provider: WebPushProvider) -> None:
    broken = WebPushEndpoint(url="https://push.example.org/2", p256dh=b"\x04" + b"\x01" * 64, auth=AUTH)
    with pytest.raises(Unsendable) as caught:
        provider.request(replace(PUSH, endpoint=broken))
    assert caught.value.result.outcome is Outcome.ENDPOINT_GONE


def test_a_broken_vapid_key_is_our_fault(provider: WebPushProvider) -> None:
    broken = WebPushCredentials(key_id="k", private_key=b"\x00" * 32, public_key=KEY.public_key, sub="mailto:a@b.com")
    with pytest.raises(Unsendable) as caught:
        provider.request(replace(PUSH, credentials=broken))
    assert caught.value.result.outcome is Outcome.MISCONFIGURED


def test_accepted_keeps_no_message_that_nobody_will_ask_for(provider: WebPushProvider) -> None:
    answer = HttpResponse(201, {"location": "https://push.example.org/m/abc"})
    assert provider.result(PUSH, answer) == SendResult(outcome=Outcome.ACCEPTED)


FCM_MISMATCH = (
    b"the VAPID credentials in the authorization header do not correspond to the credentials used to create the "
    b"subscriptions.\n"
)
MISMATCH = (Outcome.MISCONFIGURED, "vapid_key_mismatch")


@pytest.mark.parametrize(
    ("status", "headers", "body", "outcome", "code"),
    [
        (403, {}, FCM_MISMATCH, *MISMATCH),
        (401, {}, b'{"code":401,"errno":109,"error":"Unauthorized","message":"VAPID public key mismatch"}', *MISMATCH),
        (400, {}, b'{"reason":"VapidPkHashMismatch"}', *MISMATCH),
        (403, {}, b'{"reason":"VapidPkHashMismatch"}', *MISMATCH),
        (401, {}, b'{"code":401,"errno":109,"error":"Unauthorized"}', Outcome.MISCONFIGURED, "errno 109"),
        (403, {}, b'{"reason":"BadJwtToken"}', Outcome.MISCONFIGURED, "BadJwtToken"),
        (400, {}, b"UnauthorizedRegistration", Outcome.MISCONFIGURED, "UnauthorizedRegistration"),
        (401, {}, b"", Outcome.MISCONFIGURED, "http 401"),
        (404, {}, b'{"code":404,"errno":102}', Outcome.ENDPOINT_GONE, "errno 102"),
        (410, {}, b'{"code":410,"errno":103}', Outcome.ENDPOINT_GONE, "errno 103"),
        (410, {}, b'{"reason":"Unregistered"}', Outcome.ENDPOINT_GONE, "Unregistered"),
        (410, {"x-wns-error-description": "Domain Blocked"}, b"", Outcome.MISCONFIGURED, "Domain Blocked"),
        (410, {}, b"", Outcome.ENDPOINT_GONE, "http 410"),
        (413, {}, b"", Outcome.REJECTED, "http 413"),
        (400, {}, b'{"reason":"BadWebPushTopic"}', Outcome.REJECTED, "BadWebPushTopic"),
        (406, {"x-wns-status": "channelthrottled"}, b"", Outcome.RETRY, "channelthrottled"),
        (503, {}, b'{"code":503,"errno":201}', Outcome.RETRY, "errno 201"),
        (429, {}, b"", Outcome.RETRY, "http 429"),
        (500, {}, b"", Outcome.RETRY, "http 500"),
        (307, {"location": "http://169.254.169.254/"}, b"", Outcome.REJECTED, "http 307"),
    ],
)
def test_each_vendors_way_to_say_no(
    provider: WebPushProvider, status: int, headers: dict[str, str], body: bytes, outcome: Outcome, code: str
) -> None:
    result = provider.result(PUSH, HttpResponse(status, headers, body))
    assert (result.outcome, result.error_code) == (outcome, code)


@pytest.mark.parametrize("style", sorted(STYLES))
@pytest.mark.parametrize("fault", Fault)
def test_every_refusal_of_every_vendor_has_a_sentence(provider: WebPushProvider, style: str, fault: Fault) -> None:
    refused = refusal(style, fault)
    assert isinstance(refused.body, bytes)
    headers = {name.lower(): value for name, value in refused.headers.items()}
    result = provider.result(PUSH, HttpResponse(refused.status, headers, refused.body))
    rule = rule_find(provider.codes, result.error_code, {result.outcome})
    assert rule is not None
    assert rule.outcome is result.outcome


def test_a_hostile_service_cannot_plant_its_words(provider: WebPushProvider) -> None:
    result = provider.result(PUSH, HttpResponse(400, {}, b'{"reason":"<script>alert(1)</script>"}'))
    assert result.error_code == "http 400"


def test_an_empty_message_is_still_a_payload(provider: WebPushProvider) -> None:
    empty = replace(PUSH, message=Message(notification_id="n"))
    assert json.loads(provider.payload(empty))["pushhub"]["notification"] == "n"
