"""Our senders against the sandbox: written from the vendors' documents by other hands, and forgiving nothing."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from outgoing.http import Client
from outgoing.network import VENDOR_PUSH_HOSTS
from providers.base import Provider
from providers.registry import provider_get
from providers.sns.access import access_forget
from providers.sns.endpoints import application_enabled, endpoint_delete, endpoint_ensure
from providers.sns.payload import PLATFORMS
from providers.sns.provider import SnsProvider
from providers.sns.types import SnsCredentials, SnsEndpoint
from providers.types import Outcome, Push, SendResult
from providers.webpush.base64url import b64url
from providers.webpush.provider import WebPushProvider
from providers.webpush.subscription import subscription_parse
from providers.webpush.types import WebPushCredentials
from providers.webpush.vapid import vapid_key_generate
from sandbox.testing import SandboxProcess, SnsApplication
from tests.outgoing.conftest import LOOPBACK
from tests.providers.contract import MESSAGE

KEY = vapid_key_generate()
VAPID = WebPushCredentials(key_id="k", private_key=KEY.private_key, public_key=KEY.public_key, sub="mailto:a@acme.com")


@pytest.fixture(scope="module")
def _process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def sandbox(_process: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxProcess]:
    _process.reset(devices=True)
    for name, value in _process.aws_environment.items():
        monkeypatch.setenv(name, value)
    access_forget()
    yield _process
    assert _process.violations() == []


def deliver(provider: Provider, push: Push) -> SendResult:
    client = Client(LOOPBACK)
    client.submit(provider.request(push), None)
    [(_, answer)] = client.poll(10.0)
    client.close()
    return provider.result(push, answer)


def web_push(sandbox: SandboxProcess, **wish: Any) -> Push:
    [subscription] = sandbox.mint_web(application_server_key=b64url(KEY.public_key), **wish)
    endpoint = subscription_parse(subscription, policy=LOOPBACK, allowed_hosts=VENDOR_PUSH_HOSTS).endpoint
    return Push(message=MESSAGE, mapping_id="m", delivery_id="d", ttl=60, endpoint=endpoint, credentials=VAPID)


def credentials(application: SnsApplication) -> SnsCredentials:
    keys = application.access_key_id, application.secret_access_key
    return SnsCredentials(cache_key=(application.arn, 1), region=application.region, access_key=keys[0], secret=keys[1])


def ensured(sandbox: SandboxProcess, application: SnsApplication, platform: str) -> str:
    [token] = sandbox.mint_sns(platform=platform)
    return endpoint_ensure(
        credentials=credentials(application), platform_application_arn=application.arn, platform=platform, token=token
    ).endpoint_arn


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("silent", [True, False])
def test_a_strict_push_service_takes_and_reads_it(sandbox: SandboxProcess, silent: bool, reference: bool) -> None:
    push = web_push(sandbox)
    push = replace(push, message=replace(MESSAGE, silent=silent))
    assert deliver(WebPushProvider(reference=reference), push).outcome is Outcome.ACCEPTED
    [caught] = sandbox.messages()
    assert caught["payload"]["pushhub"]["mapping"] == "m"


@pytest.mark.parametrize("style", ["plain", "fcm", "mozilla", "apple", "wns"])
@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        ("gone", Outcome.ENDPOINT_GONE),
        ("not_found", Outcome.ENDPOINT_GONE),
        ("too_large", Outcome.REJECTED),
        ("throttle", Outcome.RETRY),
        ("unavailable", Outcome.RETRY),
        ("server_error", Outcome.RETRY),
        ("forbidden", Outcome.MISCONFIGURED),
    ],
)
def test_each_vendors_refusals_are_understood(
    sandbox: SandboxProcess, style: str, behaviour: str, outcome: Outcome
) -> None:
    result = deliver(provider_get("webpush"), web_push(sandbox, style=style, behaviour=behaviour))
    assert result.outcome is outcome
    assert (result.retry_after is not None) == (behaviour in ("throttle", "unavailable"))


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize("platform", sorted(PLATFORMS))
def test_a_strict_sns_takes_every_platforms_payload(
    sandbox: SandboxProcess, platform: str, silent: bool, reference: bool
) -> None:
    application = sandbox.mint_sns_application(platform, region="eu-west-1")
    arn = ensured(sandbox, application, platform)
    push = Push(
        message=replace(MESSAGE, silent=silent, data={"from": "x", "n": 1, "é": "\u202e\x00&%+"}),
        mapping_id="m",
        delivery_id="d",
        ttl=60,
        endpoint=SnsEndpoint(endpoint_arn=arn, platform=platform),
        credentials=credentials(application),
    )
    result = deliver(SnsProvider(reference=reference), push)
    assert (result.outcome, bool(result.provider_message_id)) == (Outcome.ACCEPTED, True), result
    [caught] = sandbox.messages()
    assert caught["headers"]["platform_key"] == platform


def test_an_endpoints_whole_life(sandbox: SandboxProcess) -> None:
    application = sandbox.mint_sns_application("APNS", region="eu-west-1")
    arn = ensured(sandbox, application, "APNS")
    [token] = sandbox.mint_sns(platform="APNS")
    moved = endpoint_ensure(
        credentials=credentials(application),
        platform_application_arn=application.arn,
        platform="APNS",
        token=token.upper(),
        known_arn=arn,
    )
    assert moved.endpoint_arn == arn
    endpoint_delete(credentials=credentials(application), endpoint_arn=arn)
    again = endpoint_ensure(
        credentials=credentials(application),
        platform_application_arn=application.arn,
        platform="APNS",
        token=token,
        known_arn=arn,
    )
    assert again.endpoint_arn != arn


def test_an_application_verifies(sandbox: SandboxProcess) -> None:
    application = sandbox.mint_sns_application("GCM", region="eu-west-1")
    assert application_enabled(credentials=credentials(application), platform_application_arn=application.arn)
