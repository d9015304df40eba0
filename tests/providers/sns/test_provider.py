"""SNS as a provider: the contract, the payloads for each platform, the request AWS gets, its answers."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest

from outgoing.http import Client
from outgoing.types import HttpResponse
from providers.errors import Unsendable
from providers.sns.payload import PLATFORMS, collapse_id
from providers.sns.provider import SnsProvider
from providers.sns.types import SnsCredentials, SnsEndpoint
from providers.types import Outcome, Push, Urgency
from tests.outgoing.conftest import LOOPBACK
from tests.providers.contract import MESSAGE, ProviderContract
from tests.providers.sns.conftest import ENDPOINT
from tests.providers.sns.examples import ANDROID, PUSH, REGISTRATION, SECRETS
from tests.providers.sns.fake import FakeSns, error, ok

IDS = {"mapping": "mapping-1", "notification": "0193", "delivery": "delivery-1"}


@pytest.fixture
def provider() -> SnsProvider:
    return SnsProvider()


def on(platform: str) -> Push:
    return replace(PUSH, endpoint=SnsEndpoint(endpoint_arn=ENDPOINT.replace("APNS", platform), platform=platform))


@pytest.fixture(params=[on(platform) for platform in sorted(PLATFORMS)], ids=sorted(PLATFORMS))
def push(request: pytest.FixtureRequest) -> Push:
    push: Push = request.param
    return push


class TestContract(ProviderContract):
    secrets = SECRETS
    registration = REGISTRATION


def content(provider: SnsProvider, push: Push, **message: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(provider.payload(replace(push, message=replace(MESSAGE, **message))))
    return parsed


def sent(provider: SnsProvider, push: Push, **message: Any) -> dict[str, str]:
    return dict(parse_qsl(provider.request(replace(push, message=replace(MESSAGE, **message))).body.decode()))


def attributes(fields: dict[str, str]) -> dict[str, str]:
    prefix = "MessageAttributes.entry"
    numbers = range(1, 1 + sum(name.endswith(".Name") for name in fields))
    return {fields[f"{prefix}.{n}.Name"]: fields[f"{prefix}.{n}.Value.StringValue"] for n in numbers}


def test_what_an_iphone_gets(provider: SnsProvider) -> None:
    assert content(provider, PUSH) == {
        "aps": {
            "alert": {"title": "Café", "body": "for alice"},
            "sound": "default",
            "category": "login",
            "thread-id": "login",
            "badge": 3,
            "mutable-content": 1,
        },
        "url": "https://acme.example/x",
        "image": "https://acme.example/p.png",
        "data": {"k": "v", "n": 1},
        "pushhub": IDS,
    }


def test_what_an_android_gets(provider: SnsProvider) -> None:
    message = content(provider, ANDROID)["fcmV1Message"]["message"]
    assert message["notification"] == {"title": "Café", "body": "for alice", "image": "https://acme.example/p.png"}
    assert message["android"] == {
        "priority": "high",
        "ttl": "60s",
        "collapse_key": "login",
        "notification": {"tag": "login", "notification_count": 3},
    }
    assert json.loads(message["data"].pop("pushhub")) == IDS
    assert message["data"] == {
        "url": "https://acme.example/x",
        "category": "login",
        "actions": '[{"id":"yes","title":"It was me"}]',
        "k": "v",
        "n": "1",
    }


def test_fcm_data_holds_only_strings_and_no_reserved_word(provider: SnsProvider) -> None:
    data = {"from": "x", "google.x": "y", "gcm.z": "z", "list": [1], "none": None, "yes": True}
    found = content(provider, ANDROID, data=data)["fcmV1Message"]["message"]["data"]
    assert {type(value) for value in found.values()} == {str}
    assert {"from", "google.x", "gcm.z"} & set(found) == set()
    assert (found["list"], found["yes"]) == ("[1]", "true")


def test_a_silent_push_to_an_iphone_is_a_background_push(provider: SnsProvider) -> None:
    assert content(provider, PUSH, silent=True)["aps"] == {"content-available": 1}
    found = attributes(sent(provider, PUSH, silent=True))
    assert found["AWS.SNS.MOBILE.APNS.PUSH_TYPE"] == "background"
    assert found["AWS.SNS.MOBILE.APNS.PRIORITY"] == "5"


def test_a_silent_push_to_an_android_shows_nothing(provider: SnsProvider) -> None:
    message = content(provider, ANDROID, silent=True)["fcmV1Message"]["message"]
    assert "notification" not in message
    assert "notification" not in message["android"]


@pytest.mark.parametrize(
    ("push", "over", "path", "value"),
    [
        (PUSH, {"apns": {"aps": {"sound": "bell"}}}, ("aps", "sound"), "bell"),
        (PUSH, {"fcm": {"android": {"priority": "x"}}}, ("aps", "sound"), "default"),
        (ANDROID, {"fcm": {"data": {"a": "b"}}}, ("fcmV1Message", "message", "data", "a"), "b"),
    ],
)
def test_overrides_come_last(
    provider: SnsProvider, push: Push, over: dict[str, Any], path: tuple[str, ...], value: str
) -> None:
    found: Any = content(provider, push, overrides=over)
    for name in path:
        found = found[name]
    assert found == value


def test_a_call_is_sent_as_voip_and_never_folded(provider: SnsProvider) -> None:
    assert attributes(sent(provider, on("APNS_VOIP"))) == {
        "AWS.SNS.MOBILE.APNS_VOIP.TTL": "60",
        "AWS.SNS.MOBILE.APNS.PUSH_TYPE": "voip",
        "AWS.SNS.MOBILE.APNS.PRIORITY": "10",
    }


def test_what_a_fire_tablet_gets(provider: SnsProvider) -> None:
    found = content(provider, on("ADM"), actions=(), url="", category="", image="")
    assert json.loads(found["data"].pop("pushhub")) == IDS
    assert found == {
        "consolidationKey": "login",
        "expiresAfter": 60,
        "data": {"title": "Café", "body": "for alice", "k": "v", "n": "1"},
    }


def test_overrides_cannot_replace_our_ids(provider: SnsProvider, push: Push) -> None:
    over = {"apns": {"pushhub": {"mapping": "other"}}, "fcm": {"data": {"pushhub": "other"}}}
    raw = provider.payload(replace(push, message=replace(MESSAGE, overrides=over)))
    assert b"mapping-1" in raw
    assert b"other" not in raw


@pytest.mark.parametrize("platform", sorted(PLATFORMS))
def test_the_message_has_a_default_and_the_platform_as_a_string(provider: SnsProvider, platform: str) -> None:
    push = on(platform)
    fields = sent(provider, push)
    message = json.loads(fields["Message"])
    assert fields["MessageStructure"] == "json"
    assert (set(message), message["default"]) == ({"default", platform}, "for alice")
    assert message[platform].encode() == provider.payload(push)


def test_the_reserved_attributes(provider: SnsProvider) -> None:
    assert attributes(sent(provider, PUSH)) == {
        "AWS.SNS.MOBILE.APNS.TTL": "60",
        "AWS.SNS.MOBILE.APNS.PUSH_TYPE": "alert",
        "AWS.SNS.MOBILE.APNS.PRIORITY": "10",
        "AWS.SNS.MOBILE.APNS.COLLAPSE_ID": "login",
    }
    assert attributes(sent(provider, ANDROID)) == {"AWS.SNS.MOBILE.GCM.TTL": "60"}


@pytest.mark.parametrize(
    ("urgency", "priority"),
    [(Urgency.VERY_LOW, "5"), (Urgency.LOW, "5"), (Urgency.NORMAL, "10"), (Urgency.HIGH, "10")],
)
def test_urgency_becomes_apns_priority(provider: SnsProvider, urgency: Urgency, priority: str) -> None:
    assert attributes(sent(provider, PUSH, urgency=urgency))["AWS.SNS.MOBILE.APNS.PRIORITY"] == priority


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("login", "login"),
        ("x" * 64, "x" * 64),
        ("x" * 65, "TH3bhd2Om1-UzG-CiEpPBRU29-nfSQj3iRAgvUy7vCE"),
        ("é", "ShwLxlhAI8rFfHV71Qx3MPRINbzTnflbtHGZS3lYNrU"),
    ],
)
def test_a_collapse_id_fits_an_apns_header(key: str, expected: str) -> None:
    assert len(collapse_id(key).encode()) <= 64
    assert (collapse_id(key) == key) == (key == expected)


def test_another_platform_is_refused(provider: SnsProvider) -> None:
    with pytest.raises(Unsendable) as caught:
        provider.payload(replace(PUSH, endpoint=SnsEndpoint(endpoint_arn=ENDPOINT, platform="WNS")))
    assert caught.value.result.error_code == "PlatformUnsupported"


def test_it_goes_to_the_regions_own_endpoint(provider: SnsProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_SNS", raising=False)
    assert provider.request(PUSH).url == "https://sns.eu-west-1.amazonaws.com/"


def publish(provider: SnsProvider, push: Push) -> Any:
    client = Client(LOOPBACK)
    client.submit(provider.request(push), None)
    [(_, answer)] = client.poll(5.0)
    client.close()
    return provider.result(push, answer)


def test_an_accepted_push_keeps_the_message_id(provider: SnsProvider, sns: FakeSns) -> None:
    sns.script = [ok("Publish", "<MessageId>567910cd-659e-55d4-8ccb-5aaf14679dc0</MessageId>")]
    assert publish(provider, PUSH).provider_message_id == "567910cd-659e-55d4-8ccb-5aaf14679dc0"
    assert (sns.actions, sns.calls[0]["TargetArn"]) == (["Publish"], ENDPOINT)


def test_a_refused_push_keeps_aws_own_word(provider: SnsProvider, sns: FakeSns) -> None:
    sns.script = [error("EndpointDisabled", "Endpoint is disabled")]
    result = publish(provider, PUSH)
    assert (result.outcome, result.error_code) == (Outcome.ENDPOINT_GONE, "EndpointDisabled")


def test_an_unknown_word_is_kept_and_retried(provider: SnsProvider) -> None:
    result = provider.result(PUSH, HttpResponse(418, {}, error("Teapot")[1].encode()))
    assert (result.outcome, result.error_code) == (Outcome.RETRY, "Teapot")


def test_awss_sentences_are_not_repeated(provider: SnsProvider) -> None:
    body = error("InvalidParameter", f"Invalid parameter: {ENDPOINT}")[1].encode()
    assert ENDPOINT not in repr(provider.result(PUSH, HttpResponse(400, {}, body)))


@pytest.mark.parametrize(
    "credentials",
    [
        SnsCredentials(cache_key=("a", 1), region="eu-west-1"),
        SnsCredentials(cache_key=("a", 1), region="eu-west-1", role_arn="arn:aws:iam::1:role/x"),
    ],
)
def test_missing_credentials_never_fall_back_to_the_servers_own(
    provider: SnsProvider, credentials: SnsCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "SERVER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SERVER")
    with pytest.raises(Unsendable) as caught:
        provider.request(replace(PUSH, credentials=credentials))
    assert (caught.value.result.outcome, caught.value.result.error_code) == (
        Outcome.MISCONFIGURED,
        "CredentialsMissing",
    )


ROLE = SnsCredentials(
    cache_key=("acme", 1),
    region="eu-west-1",
    access_key="AKIDEXAMPLE",
    secret="s",
    role_arn="arn:aws:iam::123456789012:role/acme",
    external_id="tenant-1",
)
ASSUMED = ok(
    "AssumeRole",
    "<Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>tok</SessionToken>"
    "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><Arn>a</Arn>"
    "<AssumedRoleId>a</AssumedRoleId></AssumedRoleUser>",
)


def test_a_role_is_assumed_once_with_its_external_id(provider: SnsProvider, sns: FakeSns) -> None:
    sns.script = [ASSUMED]
    requests = [provider.request(replace(PUSH, credentials=ROLE)) for _ in range(3)]
    assert (sns.actions, sns.calls[0]["ExternalId"]) == (["AssumeRole"], "tenant-1")
    assert {request.headers["X-Amz-Security-Token"] for request in requests} == {"tok"}
    assert "ASIAROLE" in requests[0].headers["Authorization"]


def test_a_refused_role_costs_one_call_not_one_per_push(provider: SnsProvider, sns: FakeSns) -> None:
    sns.script = [error("AccessDenied", status=403)]
    for _ in range(3):
        with pytest.raises(Unsendable) as caught:
            provider.request(replace(PUSH, credentials=ROLE))
        assert caught.value.result.outcome is Outcome.MISCONFIGURED
    assert sns.actions == ["AssumeRole"]


def test_a_new_version_of_the_credentials_starts_afresh(provider: SnsProvider, sns: FakeSns) -> None:
    sns.script = [error("AccessDenied", status=403), ASSUMED]
    with pytest.raises(Unsendable):
        provider.request(replace(PUSH, credentials=ROLE))
    provider.request(replace(PUSH, credentials=replace(ROLE, cache_key=("acme", 2))))
    assert sns.actions == ["AssumeRole", "AssumeRole"]
