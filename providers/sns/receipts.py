"""What SNS sends over HTTP: whether SNS sent it, and what it means (SNS Developer Guide, "Verifying the signatures").

Verification may need a certificate, so everything cheap is checked first. Parsing never raises for an unknown type: it
becomes UNKNOWN, because SNS would send a refused message again.
"""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from providers.sns.arn import Arn, arn_parse
from providers.sns.errors import FAILURE_TYPES
from providers.types import Outcome

MAX_MESSAGE = 300 * 1024  # SNS's own 256 KiB and the envelope
MAX_AGE = timedelta(hours=1)  # SNS retries for a minute; the rest is for clocks and proxies
MAX_AHEAD = timedelta(minutes=15)

_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_HASHES: Mapping[str, type[hashes.HashAlgorithm]] = {"1": hashes.SHA1, "2": hashes.SHA256}
# The AWS SDKs' pattern for the host also matches `sns.s3-us-west-2.amazonaws.com`, a bucket that anyone may own.
_URL = re.compile(r"(https?://[A-Za-z0-9.:-]+)(/[!$-;=?-Z_a-z~]*)")
_CERTIFICATE_PATH = re.compile(r"/SimpleNotificationService-[0-9a-f]{1,64}\.pem")

CertificateFetch = Callable[[str], bytes]


class MessageType(StrEnum):
    NOTIFICATION = "Notification"
    SUBSCRIPTION_CONFIRMATION = "SubscriptionConfirmation"
    UNSUBSCRIBE_CONFIRMATION = "UnsubscribeConfirmation"


class EventKind(StrEnum):
    """The event topics of a platform application."""

    DELIVERY_FAILURE = "DeliveryFailure"
    ENDPOINT_CREATED = "EndpointCreated"
    ENDPOINT_UPDATED = "EndpointUpdated"
    ENDPOINT_DELETED = "EndpointDeleted"
    UNKNOWN = "Unknown"


class SnsMessageInvalid(ValueError):
    """Not from SNS, not for this topic, or too old. The text says which check failed and repeats no part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnsMessage:
    """A verified message. `subscribe_url` and `token` are set on confirmations only."""

    type: MessageType
    message_id: str
    topic_arn: str
    timestamp: datetime
    message: str = field(repr=False)
    subject: str = field(default="", repr=False)
    subscribe_url: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointEvent:
    """`message_id` is Publish's own, on delivery failures. `outcome` is None unless something failed."""

    kind: EventKind
    endpoint_arn: str = field(default="", repr=False)
    message_id: str = ""
    failure_type: str = ""
    detail: str = ""
    outcome: Outcome | None = None


def sns_message_verify(
    raw: bytes,
    *,
    certificate_fetch: CertificateFetch,
    topic_arns: Collection[str] | None = None,
    trusted_certificate_origins: Collection[str] = (),
    now: datetime | None = None,
) -> SnsMessage:
    """The message, if SNS signed it (SignatureVersion 1 or 2) for one of `topic_arns` (None: any) within the hour.

    `trusted_certificate_origins` (`http://127.0.0.1:4100`) are accepted as well as AWS's, for the sandbox and tests.
    Raises SnsMessageInvalid, and what `certificate_fetch` raises.
    """
    fields = _fields(raw)
    kind = _type(fields)
    topic = _topic(fields["TopicArn"])
    if topic_arns is not None and fields["TopicArn"] not in topic_arns:
        raise SnsMessageInvalid("the topic is not the expected one")
    timestamp = _timestamp(fields["Timestamp"], now or datetime.now(UTC))
    origins = {_aws_origin(topic), *trusted_certificate_origins}
    certificate_url = fields.get("SigningCertURL", "")
    origin, path = _split(certificate_url)
    if origin not in origins or not _CERTIFICATE_PATH.fullmatch(path):
        raise SnsMessageInvalid("the certificate is not at SNS's address for the topic's region")
    if kind is not MessageType.NOTIFICATION and _split(fields.get("SubscribeURL", ""))[0] not in origins:
        raise SnsMessageInvalid("the SubscribeURL is not at SNS's address for the topic's region")
    _check_signature(fields, kind, certificate_fetch(certificate_url), now or datetime.now(UTC))
    return SnsMessage(
        type=kind,
        message_id=fields["MessageId"],
        topic_arn=fields["TopicArn"],
        timestamp=timestamp,
        message=fields["Message"],
        subject=fields.get("Subject", ""),
        subscribe_url=fields.get("SubscribeURL", ""),
        token=fields.get("Token", ""),
    )


def event_parse(message: str) -> EndpointEvent:
    """The body of a Notification from an application's event topic. Never raises."""
    try:
        body = json.loads(message)
    except (ValueError, RecursionError):
        return EndpointEvent(kind=EventKind.UNKNOWN)
    if not isinstance(body, dict):
        return EndpointEvent(kind=EventKind.UNKNOWN)
    word = _text(body, "EventType")
    kind = EventKind(word) if word in set(EventKind) else EventKind.UNKNOWN
    failure = _text(body, "FailureType") if kind is EventKind.DELIVERY_FAILURE else ""
    return EndpointEvent(
        kind=kind,
        endpoint_arn=_text(body, "EndpointArn"),
        message_id=_text(body, "MessageId"),
        failure_type=failure,
        detail=_text(body, "FailureMessage"),
        outcome=failure_outcome(failure) if kind is EventKind.DELIVERY_FAILURE else None,
    )


def failure_outcome(failure_type: str) -> Outcome:
    """An unknown type counts as a temporary failure: it must not cost a device its endpoint."""
    rule = FAILURE_TYPES.get(failure_type)
    return rule.outcome if rule else Outcome.RETRY


def _fields(raw: bytes) -> dict[str, str]:
    if len(raw) > MAX_MESSAGE:
        raise SnsMessageInvalid("the message is too large")
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError):
        raise SnsMessageInvalid("the message is not JSON") from None
    if not isinstance(parsed, dict):
        raise SnsMessageInvalid("the message is not an object")
    fields = {name: value for name, value in parsed.items() if isinstance(value, str)}
    missing = [name for name in ("Message", "MessageId", "Timestamp", "TopicArn", "Type") if name not in fields]
    if missing:
        raise SnsMessageInvalid(f"{missing[0]} is missing")
    return fields


def _type(fields: dict[str, str]) -> MessageType:
    try:
        kind = MessageType(fields["Type"])
    except ValueError:
        raise SnsMessageInvalid("the type is unknown") from None
    if kind is not MessageType.NOTIFICATION and "Token" not in fields:
        raise SnsMessageInvalid("Token is missing")
    return kind


def _topic(arn: str) -> Arn:
    try:
        topic = arn_parse(arn)
    except ValueError:
        raise SnsMessageInvalid("the TopicArn is no ARN") from None
    if topic.service != "sns" or not topic.region:
        raise SnsMessageInvalid("the TopicArn is not a topic's")
    return topic


def _timestamp(text: str, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SnsMessageInvalid("the Timestamp is no time") from None
    if moment.tzinfo is None or not now - MAX_AGE <= moment <= now + MAX_AHEAD:
        raise SnsMessageInvalid("the message is too old, or from the future")
    return moment


def _aws_origin(topic: Arn) -> str:
    suffix = "amazonaws.com.cn" if topic.partition == "aws-cn" else "amazonaws.com"
    return f"https://sns.{topic.region}.{suffix}"


def _split(url: str) -> tuple[str, str]:
    """(scheme and authority as written, the rest with its query); empty for what two parsers could read differently."""
    match = _URL.fullmatch(url)
    return (match[1], match[2]) if match else ("", "")


def _check_signature(fields: dict[str, str], kind: MessageType, pem: bytes, now: datetime) -> None:
    algorithm = _HASHES.get(fields.get("SignatureVersion", ""))
    if algorithm is None:
        raise SnsMessageInvalid("the SignatureVersion is unknown")
    names = _NOTIFICATION if kind is MessageType.NOTIFICATION else _CONFIRMATION
    text = "".join(f"{name}\n{fields[name]}\n" for name in names if name in fields)
    try:
        key = _public_key(pem, now)
        signature = b64decode(fields.get("Signature", ""), validate=True)
        key.verify(signature, text.encode(), padding.PKCS1v15(), algorithm())
    except (InvalidSignature, UnsupportedAlgorithm, UnicodeError, ValueError) as error:
        if isinstance(error, SnsMessageInvalid):
            raise
        raise SnsMessageInvalid("the signature is not SNS's") from None


def _public_key(pem: bytes, now: datetime) -> rsa.RSAPublicKey:
    certificate = x509.load_pem_x509_certificate(pem)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise SnsMessageInvalid("the certificate has expired or is not valid yet")
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise SnsMessageInvalid("the certificate's key is not RSA")
    return key


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    return value[:1024] if isinstance(value, str) else ""
