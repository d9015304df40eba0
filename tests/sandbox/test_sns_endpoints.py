"""The lifecycle of platform endpoints as AWS documents it, through boto3."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sandbox.testing import SandboxProcess, SandboxRefused, SnsApplication
from tests.sandbox.aws import refusal

TOKEN = "ab" * 32


def create(sns: Any, application: SnsApplication, token: str = TOKEN, **more: Any) -> str:
    arn: str = sns.create_platform_endpoint(PlatformApplicationArn=application.arn, Token=token, **more)["EndpointArn"]
    return arn


def test_create_is_idempotent_for_the_same_attributes(sns: Any, application: SnsApplication) -> None:
    assert create(sns, application, CustomUserData="x") == create(sns, application, CustomUserData="x")


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"CustomUserData": "alice"}, {"CustomUserData": "bob"}),
        ({"CustomUserData": "alice"}, {}),
        ({"Attributes": {"Enabled": "false"}}, {"Attributes": {"Enabled": "true"}}),
    ],
)
def test_different_attributes_for_the_same_token_are_refused_with_the_arn(
    sns: Any, application: SnsApplication, first: dict[str, Any], then: dict[str, Any]
) -> None:
    arn = create(sns, application, **first)
    reason = f"Endpoint {arn} already exists with the same Token, but different attributes."
    refused = refusal(create, sns=sns, application=application, **then)
    assert refused == (400, "InvalidParameter", f"Invalid parameter: Token Reason: {reason}")


def test_create_returns_a_disabled_endpoint_without_enabling_it(sns: Any, application: SnsApplication) -> None:
    arn = create(sns, application)
    sns.set_endpoint_attributes(EndpointArn=arn, Attributes={"Enabled": "false"})
    assert create(sns, application) == arn
    assert sns.get_endpoint_attributes(EndpointArn=arn)["Attributes"]["Enabled"] == "false"


def test_the_same_token_in_another_application_is_another_endpoint(
    sandbox: SandboxProcess, sns: Any, application: SnsApplication
) -> None:
    other = sandbox.mint_sns_application("APNS", name="globex-ios", region=application.region)
    assert create(sns, application) != create(sns, other)


def test_apns_tokens_are_returned_in_lower_case(sns: Any, application: SnsApplication) -> None:
    arn = create(sns, application, TOKEN.upper())
    assert sns.get_endpoint_attributes(EndpointArn=arn)["Attributes"]["Token"] == TOKEN


def test_create_with_a_replaced_token_makes_a_new_endpoint(sns: Any, application: SnsApplication) -> None:
    arn = create(sns, application)
    sns.set_endpoint_attributes(EndpointArn=arn, Attributes={"Token": "cd" * 32})
    assert create(sns, application) != arn
    assert create(sns, application, "cd" * 32) == arn


def test_the_endpoints_of_one_stale_token_are_limited(sns: Any, application: SnsApplication) -> None:
    for number in range(3):
        arn = create(sns, application)
        sns.set_endpoint_attributes(EndpointArn=arn, Attributes={"Token": f"{number:064x}"})
    message = refusal(create, sns=sns, application=application)[2]
    assert message.endswith("This endpoint is already registered with a different token.")


def test_a_token_of_another_endpoint_is_refused(sns: Any, application: SnsApplication) -> None:
    existing, other = create(sns, application), create(sns, application, "cd" * 32)
    message = refusal(sns.set_endpoint_attributes, EndpointArn=other, Attributes={"Token": TOKEN})[2]
    assert existing in message


@pytest.mark.parametrize("token", ["", "ab", "zz" * 32, "ab" * 101])
def test_impossible_apns_tokens_are_refused(sns: Any, application: SnsApplication, token: str) -> None:
    assert refusal(create, sns=sns, application=application, token=token)[:2] == (400, "InvalidParameter")


def test_custom_user_data_has_2048_bytes(sns: Any, application: SnsApplication) -> None:
    create(sns, application, CustomUserData="é" * 1024)
    message = refusal(create, sns=sns, application=application, token="cd" * 32, CustomUserData="é" * 1025)[2]
    assert "CustomUserData" in message


@pytest.mark.parametrize("attributes", [{"Enabled": "yes"}, {"Colour": "blue"}])
def test_unknown_attributes_are_refused(sns: Any, endpoint: str, attributes: dict[str, str]) -> None:
    assert refusal(sns.set_endpoint_attributes, EndpointArn=endpoint, Attributes=attributes)[1] == "InvalidParameter"


def test_a_deleted_endpoint_is_not_found(sns: Any, endpoint: str) -> None:
    sns.delete_endpoint(EndpointArn=endpoint)
    sns.delete_endpoint(EndpointArn=endpoint)
    assert refusal(sns.get_endpoint_attributes, EndpointArn=endpoint)[:2] == (404, "NotFound")


def test_a_missing_application_is_not_found(sns: Any, application: SnsApplication) -> None:
    sns.delete_platform_application(PlatformApplicationArn=application.arn)
    assert refusal(create, sns=sns, application=application)[:2] == (404, "NotFound")


def test_endpoints_are_listed_in_pages_of_100(sandbox: SandboxProcess, sns: Any, application: SnsApplication) -> None:
    made = {create(sns, application, token) for token in sandbox.mint_sns(150)}
    paginator = sns.get_paginator("list_endpoints_by_platform_application")
    pages = list(paginator.paginate(PlatformApplicationArn=application.arn))
    sizes = [len(page["Endpoints"]) for page in pages]
    listed = {e["EndpointArn"] for page in pages for e in page["Endpoints"]}
    assert (sizes, listed) == ([100, 50], made)


def test_applications_never_return_their_credential(sns: Any) -> None:
    secret = {"PlatformCredential": "the-key", "PlatformPrincipal": "the-certificate"}
    arn = sns.create_platform_application(Name="acme", Platform="APNS", Attributes=secret)["PlatformApplicationArn"]
    assert sns.get_platform_application_attributes(PlatformApplicationArn=arn)["Attributes"] == {"Enabled": "true"}


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("sa-east-1", "aws")]
)
def test_arns_have_the_partition_of_the_region(
    sandbox: SandboxProcess, sns_client: Callable[..., Any], region: str, partition: str
) -> None:
    application = sandbox.mint_sns_application("GCM", region=region)
    arn = create(sns_client(application), application, "a-token")
    assert arn.startswith(f"arn:{partition}:sns:{region}:111122223333:endpoint/GCM/")


@pytest.mark.parametrize(("when", "token_then"), [("before", TOKEN), ("after", "cd" * 32)])
def test_a_call_can_be_delayed_before_or_after_its_effect(
    sandbox: SandboxProcess, sns: Any, application: SnsApplication, when: str, token_then: str
) -> None:
    arn = create(sns, application)
    sandbox.post("sns/delays", action="SetEndpointAttributes", seconds=0.6, when=when)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(sns.set_endpoint_attributes, EndpointArn=arn, Attributes={"Token": "cd" * 32})
        time.sleep(0.3)
        seen = sns.get_endpoint_attributes(EndpointArn=arn)["Attributes"]["Token"]
        running.result()
    assert seen == token_then


def test_calls_are_counted_and_listed(sandbox: SandboxProcess, sns: Any, endpoint: str) -> None:
    sns.get_endpoint_attributes(EndpointArn=endpoint)
    assert [call["action"] for call in sandbox.calls()] == ["CreatePlatformEndpoint", "GetEndpointAttributes"]
    assert sandbox.calls("GetEndpointAttributes")[0]["target"] == endpoint


def test_an_invalid_account_is_refused(sandbox: SandboxProcess) -> None:
    with pytest.raises(SandboxRefused, match="12 digits"):
        sandbox.mint_sns_application("APNS", account="acme")
