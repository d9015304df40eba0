"""What Publish accepts and refuses, through boto3."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.testing import SandboxProcess, SnsApplication
from tests.sandbox.aws import refusal
from tests.sandbox.sender import apns

MOBILE = "AWS.SNS.MOBILE"


def attribute(name: str, value: str, kind: str = "String") -> dict[str, dict[str, str]]:
    return {f"{MOBILE}.{name}": {"DataType": kind, "StringValue": value}}


def fcm(**message: Any) -> str:
    return json.dumps({"default": "x", "GCM": json.dumps({"fcmV1Message": {"message": message}})})


@pytest.fixture
def android(sandbox: SandboxProcess, sns_client: Callable[..., Any]) -> Callable[[str], Any]:
    """Publish a structured message to an FCM endpoint."""
    application = sandbox.mint_sns_application("GCM", name="acme-android")
    client = sns_client(application)
    (token,) = sandbox.mint_sns(platform="GCM")
    arn = client.create_platform_endpoint(PlatformApplicationArn=application.arn, Token=token)["EndpointArn"]
    return lambda message: client.publish(TargetArn=arn, Message=message, MessageStructure="json")


def test_the_part_for_the_platform_is_recorded(sandbox: SandboxProcess, sns: Any, endpoint: str) -> None:
    more = {**attribute("APNS.TTL", "60"), **attribute("APNS.PUSH_TYPE", "alert")}
    sns.publish(TargetArn=endpoint, Message=apns("Hello"), MessageStructure="json", MessageAttributes=more)
    (caught,) = sandbox.messages(user="alice")
    assert caught["payload"] == {"aps": {"alert": {"title": "Hello"}}}
    assert caught["headers"] == {
        "platform_key": "APNS",
        f"{MOBILE}.APNS.TTL": "60",
        f"{MOBILE}.APNS.PUSH_TYPE": "alert",
    }


def test_without_a_part_for_the_platform_the_default_is_used(sandbox: SandboxProcess, sns: Any, endpoint: str) -> None:
    message = json.dumps({"default": "Hello", "APNS_SANDBOX": "{}"})
    sns.publish(TargetArn=endpoint, Message=message, MessageStructure="json")
    (caught,) = sandbox.messages()
    assert (caught["headers"]["platform_key"], caught["payload"]) == ("default", {"aps": {"alert": "Hello"}})


def test_a_missing_endpoint_is_an_invalid_parameter(sns: Any, endpoint: str) -> None:
    sns.delete_endpoint(EndpointArn=endpoint)
    message = "Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified"
    assert refusal(sns.publish, TargetArn=endpoint, Message="x") == (400, "InvalidParameter", message)


def test_a_disabled_endpoint_is_refused(sns: Any, endpoint: str) -> None:
    sns.set_endpoint_attributes(EndpointArn=endpoint, Attributes={"Enabled": "false"})
    assert refusal(sns.publish, TargetArn=endpoint, Message="x")[:2] == (400, "EndpointDisabled")


def test_a_disabled_application_is_refused(sns: Any, endpoint: str, application: SnsApplication) -> None:
    sns.set_platform_application_attributes(PlatformApplicationArn=application.arn, Attributes={"Enabled": "false"})
    assert refusal(sns.publish, TargetArn=endpoint, Message="x")[:2] == (400, "PlatformApplicationDisabled")


@pytest.mark.parametrize(
    "message",
    [
        "Hello",
        "[]",
        '{"APNS": "{}"}',
        '{"default": 1}',
        '{"default": "x", "APNS": {"aps": {}}}',
        '{"default": "x", "default": "y"}',
        '{"default": "x", "APNS": "not json"}',
        '{"default": "x", "APNS": "{\\"title\\": \\"no aps\\"}"}',
        '{"default": "x", "APNS": "{\\"aps\\": {}, \\"aps\\": {}}"}',
    ],
)
def test_invalid_messages_are_refused(sandbox: SandboxProcess, sns: Any, endpoint: str, message: str) -> None:
    refused = refusal(sns.publish, TargetArn=endpoint, Message=message, MessageStructure="json")
    assert refused[:2] == (400, "InvalidParameter")
    assert [violation["code"] for violation in sandbox.violations()] == ["InvalidParameter"]


@pytest.mark.parametrize(
    "attributes",
    [
        attribute("APNS.TTTL", "60"),
        attribute("GCM.TTL", "60"),
        attribute("APNS.TTL", "soon"),
        attribute("APNS.TTL", "99999999"),
        attribute("APNS.TTL", "60", "Number"),
        attribute("APNS.PRIORITY", "high"),
        attribute("APNS.PUSH_TYPE", "loud"),
        attribute("APNS.COLLAPSE_ID", "x" * 65),
    ],
)
def test_reserved_attributes_are_checked(sns: Any, endpoint: str, attributes: dict[str, Any]) -> None:
    refused = refusal(
        sns.publish, TargetArn=endpoint, Message=apns(), MessageStructure="json", MessageAttributes=attributes
    )
    assert "MessageAttributes" in refused[2]


def test_a_background_push_needs_priority_5(sns: Any, endpoint: str) -> None:
    attributes = {**attribute("APNS.PUSH_TYPE", "background"), **attribute("APNS.PRIORITY", "10")}
    message = json.dumps({"default": "x", "APNS": '{"aps": {"content-available": 1}}'})
    refused = refusal(
        sns.publish, TargetArn=endpoint, Message=message, MessageStructure="json", MessageAttributes=attributes
    )
    assert "priority 5" in refused[2]


def test_the_size_limit_of_the_platform_applies(sns: Any, endpoint: str) -> None:
    space = 4096 - len('{"aps": {"alert": {"title": ""}}}')
    sns.publish(TargetArn=endpoint, Message=apns("x" * space), MessageStructure="json")
    message = refusal(sns.publish, TargetArn=endpoint, Message=apns("x" * (space + 1)), MessageStructure="json")[2]
    assert message.endswith("Message size is larger than supported by protocol/end-service")


def test_an_fcm_message_is_recorded(sandbox: SandboxProcess, android: Callable[[str], Any]) -> None:
    message = {"notification": {"title": "Hello"}, "data": {"k": "v"}, "android": {"priority": "high", "ttl": "60s"}}
    android(fcm(**message))
    assert sandbox.messages()[0]["payload"] == {"fcmV1Message": {"message": message}}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"token": "t"}, "message.token"),
        ({"data": {"n": 1}}, "data.n must be a string"),
        ({"data": {"google.x": "1"}}, "reserved word"),
        ({"data": "text"}, "data is an object"),
        ({"android": {"ttl": 60}}, "android.ttl"),
        ({"android": {"priority": "urgent"}}, "android.priority"),
        ({"data": {"k": "x" * 4096}}, "Message size is larger"),
    ],
)
def test_fcm_messages_are_checked(android: Callable[[str], Any], message: dict[str, Any], reason: str) -> None:
    assert reason in refusal(android, message=fcm(**message))[2]


@pytest.mark.parametrize(
    ("behaviour", "status", "code"),
    [
        ("throttle", 400, "Throttling"),
        ("server_error", 500, "InternalError"),
        ("unavailable", 503, "ServiceUnavailable"),
        ("forbidden", 403, "AuthorizationError"),
        ("gone", 400, "EndpointDisabled"),
        ("not_found", 400, "InvalidParameter"),
    ],
)
def test_each_behaviour_returns_its_error(
    sandbox: SandboxProcess, sns: Any, endpoint: str, behaviour: str, status: int, code: str
) -> None:
    sandbox.behave(endpoint, behaviour)
    assert refusal(sns.publish, TargetArn=endpoint, Message="x")[:2] == (status, code)
    assert not sandbox.violations()


@pytest.mark.parametrize(("code", "status"), [("Throttling", 400), ("Throttled", 429)])
def test_publishing_above_the_quota_is_throttled(
    sandbox: SandboxProcess, sns: Any, endpoint: str, application: SnsApplication, code: str, status: int
) -> None:
    sandbox.post("sns/quotas", region=application.region, publish_per_second=0, code=code)
    assert refusal(sns.publish, TargetArn=endpoint, Message="x") == (status, code, "Rate exceeded")
    sns.get_endpoint_attributes(EndpointArn=endpoint)


def test_the_control_plane_has_a_separate_quota(
    sandbox: SandboxProcess, sns: Any, endpoint: str, application: SnsApplication
) -> None:
    sandbox.post("sns/quotas", region=application.region, control_per_second=0)
    assert refusal(sns.get_endpoint_attributes, EndpointArn=endpoint)[1] == "Throttling"
    sns.publish(TargetArn=endpoint, Message="x")
