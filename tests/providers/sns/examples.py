"""Pushes to an iOS and an Android endpoint, for the tests of SNS."""

from dataclasses import replace

from providers.sns.types import SnsEndpoint
from providers.types import Push
from tests.providers.contract import MESSAGE
from tests.providers.sns.conftest import CREDENTIALS, ENDPOINT

PUSH = Push(
    message=MESSAGE,
    mapping_id="mapping-1",
    delivery_id="delivery-1",
    ttl=60,
    endpoint=SnsEndpoint(endpoint_arn=ENDPOINT, platform="APNS"),
    credentials=CREDENTIALS,
)


ANDROID = replace(PUSH, endpoint=SnsEndpoint(endpoint_arn=ENDPOINT.replace("APNS", "GCM"), platform="GCM"))


SECRETS = (ENDPOINT, CREDENTIALS.secret, CREDENTIALS.access_key, "for alice")
REGISTRATION = {"token": "0F" * 32}
