"""Direct Publish to platform endpoints: boto3 finds credentials, the one HTTP client sends, botocore parses errors.

A MessageId means that SNS took the message (accepted), not that a phone showed it; failures are reported later
(receipts.py).
"""

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import ClassVar

from typing_extensions import override

from outgoing.types import HttpRequest, HttpResponse, TransportFailure
from providers.addresses import AddressType
from providers.apps import AppType
from providers.base import Provider, Reference, VendorLimit
from providers.callbacks import CallbackReader
from providers.errors import (
    Codes,
    PayloadTooLarge,
    Unsendable,
    VendorError,
    VendorRetry,
    retry_after_seconds,
    transport_result,
)
from providers.provisioning import Provisioner
from providers.sns.address import SnsAddress
from providers.sns.app import SnsApp
from providers.sns.callbacks import SnsCallbacks
from providers.sns.errors import CODES, classify
from providers.sns.payload import GOOGLE, MAX_PAYLOAD, MAX_TTL, fcm_reserved, platform_payload
from providers.sns.quota import publish_rate
from providers.sns.types import SnsCredentials, SnsEndpoint, sns_endpoint
from providers.template import fill
from providers.types import Message, Outcome, Push, SendResult

_NO_CREDENTIALS = SnsCredentials(cache_key=("", 0), region="")
_MESSAGE_ID = re.compile(rb"<MessageId>([0-9A-Za-z-]{1,100})</MessageId>")


class SnsProvider(Provider):
    """boto3 is imported with the first credentials: it costs 0.2 s and 30 MB."""

    name = "sns"
    title: ClassVar[str] = "Amazon SNS"
    vendor: ClassVar[str] = "Amazon SNS"
    codes: ClassVar[Codes] = CODES
    platforms: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "ios": ("APNS", "APNS_SANDBOX", "APNS_VOIP", "APNS_VOIP_SANDBOX"),
        "android": ("GCM",),
        "macos": ("MACOS", "MACOS_SANDBOX"),
        "fireos": ("ADM",),
    }
    payload_limit: ClassVar[int] = MAX_PAYLOAD
    app: ClassVar[AppType] = SnsApp()
    address: ClassVar[AddressType] = SnsAddress()
    requires_provisioning: ClassVar[bool] = True
    callbacks: ClassVar[CallbackReader | None] = SnsCallbacks()
    reference: ClassVar[Reference | None] = Reference("botocore", setting="PUSHHUB_SNS_SIGNER")

    def __init__(self, *, reference: bool = False) -> None:
        self._by_reference = reference

    @cached_property
    def _publish_request(self) -> Callable[[SnsCredentials, Push], HttpRequest]:
        if self._by_reference:
            from providers.sns import reference

            return reference.publish_request
        from providers.sns.publish import publish_request

        return publish_request

    @cached_property
    def _error_read(self) -> Callable[[HttpResponse], tuple[str, str]]:
        from providers.sns.error_body import error_read

        return error_read

    @cached_property
    @override
    def provisioner(self) -> Provisioner:
        from providers.sns.provisioner import SnsProvisioner

        return SnsProvisioner()

    @override
    def rate_limit(self, *, account_id: str, region: str) -> VendorLimit | None:
        return VendorLimit(f"sns {account_id} {region}", publish_rate(region))

    @override
    def sample(self, platform: str) -> tuple[SnsEndpoint, SnsCredentials]:
        return SnsEndpoint(endpoint_arn="", platform=platform), _NO_CREDENTIALS

    @override
    def payload(self, push: Push) -> bytes:
        platform = sns_endpoint(push).platform
        payload = fill(push, name=platform, variant=push.ttl, make=lambda marked: platform_payload(marked, platform))
        if len(payload) > MAX_PAYLOAD:
            raise PayloadTooLarge(len(payload), MAX_PAYLOAD)
        return payload

    @override
    def request(self, push: Push) -> HttpRequest:
        if not isinstance(push.credentials, SnsCredentials):
            raise TypeError("an SNS push needs AWS credentials")
        self.payload(push)  # raises PayloadTooLarge
        try:
            return self._publish_request(push.credentials, push)
        except VendorError as error:
            outcome = Outcome.RETRY if isinstance(error, VendorRetry) else Outcome.MISCONFIGURED
            wait = error.after if isinstance(error, VendorRetry) else None
            result = SendResult(outcome=outcome, error_code=error.code, retry_after=wait)
            raise Unsendable(result) from None

    @override
    def result(self, push: Push, reply: HttpResponse | TransportFailure) -> SendResult:
        if isinstance(reply, TransportFailure):
            return transport_result(reply)
        if 200 <= reply.status < 300:
            found = _MESSAGE_ID.search(reply.body)
            return SendResult(outcome=Outcome.ACCEPTED, provider_message_id=found[1].decode() if found else "")
        code, message = self._error_read(reply)
        rule = classify(code, message)
        wait = retry_after_seconds(reply.headers.get("retry-after")) if rule.outcome is Outcome.RETRY else None
        return SendResult(outcome=rule.outcome, error_code=code, retry_after=wait)

    @override
    def payload_size(self, message: Message, platform: str) -> int:
        endpoint, credentials = self.sample(platform)
        longest = Push.longest(message, endpoint=endpoint, credentials=credentials, ttl=MAX_TTL)
        return len(platform_payload(longest, platform))

    @override
    def reserved_data(self, message: Message, platform: str) -> list[str]:
        return fcm_reserved(message) if platform == GOOGLE else []
