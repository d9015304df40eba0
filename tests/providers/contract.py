"""What every provider promises. A provider's test module subclasses this and gives the two fixtures."""

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any, ClassVar

import pytest

from outgoing.network import NetworkPolicy
from outgoing.types import FailureKind, HttpResponse, TransportFailure
from providers.addresses import AllowedHosts
from providers.base import Provider
from providers.errors import COMMON, PayloadTooLarge, rule_find
from providers.types import Action, Endpoint, Message, Outcome, Push, SendResult, Urgency
from pushhub.kernel.errors import ApiError

ANY_HOST = AllowedHosts(policy=NetworkPolicy(), hosts=("*",))

BODIES = (
    b"",
    b"\xff\xfe",
    b"{}",
    b"[]",
    b"null",
    b'{"reason":1,"errno":"x"}',
    b"[" * 1900,
    b"<ErrorResponse><Error>",
    b"<a/>",
    b"plain",
)
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"retry-after": "120"},
    {"retry-after": "soon"},
    {"retry-after": "Mon, 99 Nov 2026 00:00:00 GMT"},
)

MESSAGE = Message(
    notification_id="0193",
    title="Café",
    body="for alice",
    url="https://acme.example/x",
    icon="https://acme.example/i.png",
    image="https://acme.example/p.png",
    actions=(Action(id="yes", title="It was me"),),
    badge=3,
    data={"k": "v", "n": 1},
    category="login",
    urgency=Urgency.HIGH,
    collapse_key="login",
)


class ProviderContract:
    """Subclasses give `provider` and `push`. `registration` is a valid address, as the body of a device brings it."""

    secrets: tuple[str, ...] = ()
    registration: ClassVar[Mapping[str, Any]]

    def test_it_describes_itself(self, provider: Provider) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,9}", provider.name)
        assert provider.title
        assert provider.vendor
        assert provider.payload_limit > 0

    def test_every_platform_fits_its_column_and_renders_a_sample(self, provider: Provider, push: Push) -> None:
        for platform, vendor_platforms in provider.platforms.items():
            assert len(platform) <= 10
            for vendor_platform in vendor_platforms:
                endpoint, credentials = provider.sample(vendor_platform)
                assert provider.payload(replace(push, endpoint=endpoint, credentials=credentials))

    def test_an_address_is_stored_and_exported_unchanged(self, provider: Provider) -> None:
        kind = provider.address
        platform = next(iter(provider.platforms.values()))[0]
        read = kind.read(self.registration, platform=platform, allowed=ANY_HOST)
        assert kind.unpack(kind.pack(read.fields)) == read.fields
        again = kind.read(kind.body(read.fields, key=""), platform=platform, allowed=ANY_HOST)
        assert again == replace(read, key="")
        assert isinstance(kind.endpoint(kind.pack(read.fields), "vendor's name", platform), Endpoint)

    def test_an_address_without_its_field_is_invalid(self, provider: Provider) -> None:
        with pytest.raises(ApiError) as refused:
            provider.address.read({}, platform=next(iter(provider.platforms.values()))[0], allowed=ANY_HOST)
        assert refused.value.errors[0].pointer == f"/{provider.address.fields[0].name}"

    def test_the_payload_is_deterministic(self, provider: Provider, push: Push) -> None:
        assert provider.payload(push) == provider.payload(replace(push)) != b""

    def test_the_payload_carries_the_mapping_id(self, provider: Provider, push: Push) -> None:
        assert push.mapping_id.encode() in provider.payload(push)

    def test_what_is_kept_of_a_message_is_not_its_first_devices(self, provider: Provider, push: Push) -> None:
        other = replace(push, mapping_id="mapping-9", delivery_id="delivery-9", receipt="receipt-9", ttl=push.ttl + 1)
        afresh = replace(other, message=replace(push.message))
        provider.payload(push)
        assert provider.payload(other) == provider.payload(afresh)
        assert b"receipt-9" in provider.payload(other)

    def test_a_silent_message_has_a_payload(self, provider: Provider, push: Push) -> None:
        assert provider.payload(replace(push, message=replace(push.message, silent=True))) != provider.payload(push)

    def test_too_much_is_refused_with_its_size(self, provider: Provider, push: Push) -> None:
        huge = replace(push, message=replace(push.message, body="x" * (provider.payload_limit + 1)))
        with pytest.raises(PayloadTooLarge) as caught:
            provider.payload(huge)
        assert caught.value.size > caught.value.limit == provider.payload_limit
        assert caught.value.result.outcome is Outcome.REJECTED

    def test_the_size_at_acceptance_is_never_less_than_at_sending(self, provider: Provider, push: Push) -> None:
        platform = getattr(push.endpoint, "platform", "")
        assert provider.payload_size(push.message, platform) >= len(provider.payload(push))

    def test_a_request_shows_no_secret(self, provider: Provider, push: Push) -> None:
        shown = repr(provider.request(push)) + repr(push)
        assert [secret for secret in self.secrets if secret in shown] == []

    def test_preparing_is_never_needed_and_tells_nothing(self, provider: Provider, push: Push) -> None:
        foreign: Any = object()
        pushes = [replace(push), replace(push), replace(push, endpoint=foreign)]
        assert provider.prepare(pushes) <= 2
        assert repr(pushes[0]) == repr(push)
        assert provider.request(pushes[0]).url == provider.request(push).url
        assert pushes[0].prepared is None

    def test_hostile_text_does_not_break_a_request(self, provider: Provider, push: Push) -> None:
        nasty = "\x00\ud800\u202e\r\nX-Injected: 1"
        message = replace(
            push.message, title=nasty, body=nasty, collapse_key=nasty, category=nasty, data={nasty: nasty}
        )
        headers = provider.request(replace(push, message=message)).headers
        assert [name for name, value in headers.items() if "\r" in value or "\n" in value] == []

    def test_every_answer_has_an_outcome(self, provider: Provider, push: Push) -> None:
        for status, body, headers in product(range(100, 600), BODIES, HEADERS):
            result = provider.result(push, HttpResponse(status, headers, body))
            assert isinstance(result, SendResult)
            assert (result.outcome is Outcome.ACCEPTED) == (200 <= status < 300), status
            assert result.error_code or result.outcome is Outcome.ACCEPTED, status

    def test_every_status_has_a_sentence_for_readers(self, provider: Provider, push: Push) -> None:
        for status in (*range(100, 200), *range(300, 600)):
            result = provider.result(push, HttpResponse(status, {}, b""))
            rule = rule_find(provider.codes, result.error_code, {result.outcome})
            assert rule is not None, status
            assert rule.outcome is result.outcome, status

    def test_every_code_reads_as_a_clause(self, provider: Provider) -> None:
        for code, rules in {**COMMON, **provider.codes}.items():
            for rule in rules:
                assert rule.why, code
                assert not rule.why.endswith("."), code
                assert not rule.remedy or rule.remedy.endswith("."), code

    @pytest.mark.parametrize("kind", FailureKind)
    def test_every_transport_failure_has_an_outcome(self, provider: Provider, push: Push, kind: FailureKind) -> None:
        result = provider.result(push, TransportFailure(kind))
        expected = Outcome.REJECTED if kind is FailureKind.REFUSED_ADDRESS else Outcome.RETRY
        assert (result.outcome, result.error_code) == (expected, f"transport:{kind}")
        assert rule_find(provider.codes, result.error_code) is not None

    @pytest.mark.parametrize("status", [429, 503])
    def test_retry_after_is_handed_on(self, provider: Provider, push: Push, status: int) -> None:
        result = provider.result(push, HttpResponse(status, {"retry-after": "120"}))
        assert (result.outcome, result.retry_after) == (Outcome.RETRY, 120.0)

    def test_another_vendors_endpoint_is_a_mistake_of_ours(self, provider: Provider, push: Push) -> None:
        foreign: Any = object()
        with pytest.raises(TypeError):
            provider.request(replace(push, endpoint=foreign))
