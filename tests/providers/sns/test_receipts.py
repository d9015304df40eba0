"""SNS over HTTP: only what SNS signed, for our topic, just now, is believed."""

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from providers.sns.receipts import (
    EventKind,
    MessageType,
    SnsMessage,
    SnsMessageInvalid,
    event_parse,
    failure_outcome,
    sns_message_verify,
)
from providers.types import Outcome

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-west-1:123456789012:acme-events"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
SUBSCRIBE = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"


def key(name: str = "sns") -> rsa.RSAPrivateKey:
    return _key(name)


@cache
def _key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def certificate(name: str = "sns", days: int = 30) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).serial_number(1)
    builder = builder.not_valid_before(NOW - timedelta(days=60)).not_valid_after(NOW + timedelta(days=days))
    return builder.public_key(key(name).public_key()).sign(key(name), hashes.SHA256()).public_bytes(Encoding.PEM)


def signed(version: str = "1", **change: str) -> dict[str, str]:
    fields = {
        "Type": "Notification",
        "MessageId": "m-1",
        "TopicArn": TOPIC,
        "Subject": "s",
        "Message": "hello",
        "Timestamp": "2026-11-23T11:59:00.000Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
    } | change
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{fields[name]}\n" for name in names if name in fields)
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
    fields["Signature"] = b64encode(key().sign(text.encode(), padding.PKCS1v15(), algorithm)).decode()
    return fields


def confirmation(**change: str) -> dict[str, str]:
    fields = {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": SUBSCRIBE} | change
    plain = signed()
    del plain["Subject"]
    special = plain | fields
    del special["Signature"]
    names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{special[name]}\n" for name in names)
    special["Signature"] = b64encode(key().sign(text.encode(), padding.PKCS1v15(), hashes.SHA1())).decode()
    return special


def never(url: str) -> bytes:
    raise AssertionError(f"fetched {url}")


def verify(fields: Any, fetch: Callable[[str], bytes] = lambda _: certificate(), **options: Any) -> SnsMessage:
    raw = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return sns_message_verify(raw, certificate_fetch=fetch, now=NOW, **options)


@pytest.mark.parametrize("version", ["1", "2"])
def test_both_signature_versions_are_believed(version: str) -> None:
    message = verify(signed(version), topic_arns={TOPIC})
    assert (message.type, message.message, message.message_id) == (MessageType.NOTIFICATION, "hello", "m-1")


def test_the_subject_may_be_missing() -> None:
    fields = signed()
    del fields["Subject"]
    text = "".join(f"{n}\n{fields[n]}\n" for n in ("Message", "MessageId", "Timestamp", "TopicArn", "Type"))
    fields["Signature"] = b64encode(key().sign(text.encode(), padding.PKCS1v15(), hashes.SHA1())).decode()
    assert verify(fields).subject == ""


def test_a_confirmation_says_where_to_confirm() -> None:
    message = verify(confirmation())
    assert (message.subscribe_url, message.token) == (SUBSCRIBE, "t")


@pytest.mark.parametrize("name", ["Message", "MessageId", "Subject", "Timestamp"])
def test_a_changed_field_breaks_the_signature(name: str) -> None:
    change = {name: "2026-11-23T11:58:00.000Z" if name == "Timestamp" else "changed"}
    with pytest.raises(SnsMessageInvalid, match="signature"):
        verify(signed() | change)


def test_another_key_is_not_sns() -> None:
    with pytest.raises(SnsMessageInvalid, match="signature"):
        verify(signed(), lambda _: certificate("mallory"))


def test_an_expired_certificate_is_refused() -> None:
    with pytest.raises(SnsMessageInvalid, match="expired"):
        verify(signed(), lambda _: certificate(days=-1))


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----", b"\xff" * 100])
def test_nonsense_is_no_certificate(pem: bytes) -> None:
    with pytest.raises(SnsMessageInvalid):
        verify(signed(), lambda _: pem)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://evil.org/SimpleNotificationService-0.pem",
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.s3-us-west-2.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.org/SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com:444/SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.org/SimpleNotificationService-0.pem",
        "https://x@sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem?x=1",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem#x",
        "https://sns.eu-west-1.amazonaws.com/bucket/SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-xyz.pem",
        "https://sns.eu-west-1.amazonaws.com\\@evil.org/SimpleNotificationService-0.pem",
        "https://[x/SimpleNotificationService-0.pem",
    ],
)
def test_a_certificate_from_elsewhere_is_not_even_fetched(url: str) -> None:
    with pytest.raises(SnsMessageInvalid, match="certificate"):
        verify(signed(SigningCertURL=url), never)


def test_china_has_its_own_domain() -> None:
    topic = TOPIC.replace("arn:aws:", "arn:aws-cn:").replace("eu-west-1", "cn-north-1")
    url = "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0.pem"
    assert verify(signed(TopicArn=topic, SigningCertURL=url)).topic_arn == topic


def test_a_sandbox_is_trusted_only_where_named() -> None:
    url = "http://127.0.0.1:4100/SimpleNotificationService-0.pem"
    assert verify(signed(SigningCertURL=url), trusted_certificate_origins={"http://127.0.0.1:4100"}).message == "hello"
    with pytest.raises(SnsMessageInvalid):
        verify(signed(SigningCertURL=url), never)


@pytest.mark.parametrize(
    "url", ["https://evil.org/", "http://169.254.169.254/", "https://sns.eu-west-1.amazonaws.com", ""]
)
def test_a_confirmation_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(SnsMessageInvalid, match="SubscribeURL"):
        verify(confirmation(SubscribeURL=url), never)


def test_another_topic_is_refused_before_anything_is_fetched() -> None:
    with pytest.raises(SnsMessageInvalid, match="topic"):
        verify(signed(), never, topic_arns={"arn:aws:sns:eu-west-1:123456789012:globex"})


@pytest.mark.parametrize("timestamp", ["2026-11-23T10:59:59Z", "2026-11-23T12:15:01Z", "2026-11-23T12:00:00", "noon"])
def test_an_old_message_is_not_played_again(timestamp: str) -> None:
    with pytest.raises(SnsMessageInvalid):
        verify(signed(Timestamp=timestamp), never)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b"x" * 400_000,
        b'{"Type":"Notification"}',
        json.dumps(signed() | {"Type": "Surprise"}).encode(),
        json.dumps(signed() | {"TopicArn": "x"}).encode(),
        json.dumps(signed() | {"MessageId": 1}).encode(),
    ],
)
def test_nonsense_is_refused_before_anything_is_fetched(raw: bytes) -> None:
    with pytest.raises(SnsMessageInvalid):
        verify(raw, never)


@pytest.mark.parametrize("change", [{"SignatureVersion": "3"}, {"Signature": "!"}, {"Signature": ""}])
def test_other_signatures_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(SnsMessageInvalid):
        verify(signed() | change)


def test_a_lone_surrogate_is_refused_not_a_crash() -> None:
    with pytest.raises(SnsMessageInvalid):
        verify(signed() | {"Message": "\ud800"})


FAILURE = {
    "DeliveryAttempts": 1,
    "EndpointArn": "arn:aws:sns:eu-west-1:123456789012:endpoint/GCM/app/uuid",
    "EventType": "DeliveryFailure",
    "FailureMessage": "Platform token associated with the endpoint is not valid",
    "FailureType": "InvalidPlatformToken",
    "MessageId": "m-7",
    "Resource": "arn:aws:sns:eu-west-1:123456789012:app/GCM/app",
    "Service": "SNS",
    "Time": "2025-09-30T11:31:53.650Z",
}


def test_a_delivery_failure_names_endpoint_message_and_meaning() -> None:
    event = event_parse(json.dumps(FAILURE))
    assert (event.kind, event.endpoint_arn, event.message_id) == (
        EventKind.DELIVERY_FAILURE,
        FAILURE["EndpointArn"],
        "m-7",
    )
    assert (event.failure_type, event.outcome) == ("InvalidPlatformToken", Outcome.ENDPOINT_GONE)


@pytest.mark.parametrize("kind", ["EndpointCreated", "EndpointUpdated", "EndpointDeleted"])
def test_other_events_are_told_apart(kind: str) -> None:
    event = event_parse(json.dumps(FAILURE | {"EventType": kind}))
    assert (event.kind, event.outcome) == (EventKind(kind), None)


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        ("EndpointDisabled", Outcome.ENDPOINT_GONE),
        ("InvalidNotification", Outcome.REJECTED),
        ("InvalidCredentials", Outcome.MISCONFIGURED),
        ("Throttled", Outcome.RETRY),
        ("NobodyHasSeenThis", Outcome.RETRY),
    ],
)
def test_failure_types(failure: str, outcome: Outcome) -> None:
    assert failure_outcome(failure) is outcome


@given(st.text() | st.recursive(st.none() | st.text(), lambda v: st.dictionaries(st.text(), v)).map(json.dumps))
def test_an_unknown_event_is_unknown_and_no_exception(message: str) -> None:
    assert event_parse(message).kind is EventKind.UNKNOWN
