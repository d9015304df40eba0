"""Authorization: SigV4 is recomputed, regions and accounts are separate; STS and SSM give credentials."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sandbox.testing import SandboxProcess, SnsApplication
from tests.sandbox.aws import refusal

BODY = "Action=Publish&Version=2010-03-31&TargetArn=x&Message=x"


def signed(sandbox: SandboxProcess, application: SnsApplication, **changes: Any) -> requests.PreparedRequest:
    request = AWSRequest(
        "POST", sandbox.sns_url, data=BODY, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    keys = Credentials(application.access_key_id, application.secret_access_key)
    SigV4Auth(keys, changes.get("service", "sns"), application.region).add_auth(request)
    sent = requests.Request("POST", sandbox.sns_url, data=changes.get("body", BODY), headers=dict(request.headers))
    return sent.prepare()


def code_of(prepared: requests.PreparedRequest) -> tuple[int, str]:
    with requests.Session() as session:
        response = session.send(prepared, timeout=5)
    return response.status_code, response.text.partition("<Code>")[2].partition("</Code>")[0]


def test_a_signed_request_passes(sandbox: SandboxProcess, application: SnsApplication) -> None:
    assert code_of(signed(sandbox, application)) == (400, "InvalidParameter")


def test_an_unsigned_request_is_refused(sandbox: SandboxProcess) -> None:
    request = requests.Request("POST", sandbox.sns_url, data=BODY).prepare()
    assert code_of(request) == (403, "MissingAuthenticationToken")
    assert sandbox.violations()[0]["code"] == "MissingAuthenticationToken"


def test_a_changed_body_is_refused(sandbox: SandboxProcess, application: SnsApplication) -> None:
    assert code_of(signed(sandbox, application, body=BODY + "y")) == (403, "SignatureDoesNotMatch")


def test_a_scope_of_another_service_is_refused(sandbox: SandboxProcess, application: SnsApplication) -> None:
    assert code_of(signed(sandbox, application, service="sqs")) == (400, "IncompleteSignature")


def test_an_unsigned_amz_header_is_refused(sandbox: SandboxProcess, application: SnsApplication) -> None:
    request = signed(sandbox, application)
    request.headers["X-Amz-Meta"] = "added later"
    assert code_of(request) == (403, "SignatureDoesNotMatch")


def test_an_old_date_is_refused(
    sandbox: SandboxProcess, application: SnsApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=16)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: past)
    assert code_of(signed(sandbox, application)) == (400, "RequestExpired")


def test_a_wrong_secret_is_refused(sns_client: Callable[..., Any], application: SnsApplication, endpoint: str) -> None:
    client = sns_client(application, aws_secret_access_key="wrong")
    assert refusal(client.publish, TargetArn=endpoint, Message="x")[:2] == (403, "SignatureDoesNotMatch")


def test_an_unknown_key_is_refused(sns_client: Callable[..., Any], application: SnsApplication, endpoint: str) -> None:
    client = sns_client(application, aws_access_key_id="AKIAUNKNOWN")
    assert refusal(client.publish, TargetArn=endpoint, Message="x")[:2] == (403, "InvalidClientTokenId")


def test_an_arn_of_another_region_is_refused(
    sns_client: Callable[..., Any], application: SnsApplication, endpoint: str
) -> None:
    client = sns_client(application, region_name="us-east-1")
    assert refusal(client.publish, TargetArn=endpoint, Message="x")[1] == "InvalidParameter"


def test_another_accounts_endpoint_is_refused(
    sandbox: SandboxProcess, sns_client: Callable[..., Any], endpoint: str
) -> None:
    globex = sandbox.mint_sns_application("APNS", account="444455556666")
    assert refusal(sns_client(globex).publish, TargetArn=endpoint, Message="x")[:2] == (403, "AuthorizationError")


def assume(client: Any, role: str, **more: str) -> Any:
    return client.assume_role(RoleArn=role, RoleSessionName="pushhub", **more)["Credentials"]


def test_an_assumed_role_acts_in_its_own_account(
    sandbox: SandboxProcess, sns_client: Callable[..., Any], application: SnsApplication, endpoint: str
) -> None:
    operator = SnsApplication(arn="", **sandbox.mint_credentials(account="999900001111"))
    role = sandbox.post("sns/roles", account=application.account, external_id="acme")["arn"]
    keys = assume(sns_client(operator, "sts"), role, ExternalId="acme")
    sns_client(
        application,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    ).publish(TargetArn=endpoint, Message="x")
    assert len(sandbox.messages()) == 1


@pytest.mark.parametrize("more", [{}, {"ExternalId": "globex"}])
def test_a_role_requires_its_external_id(
    sandbox: SandboxProcess, sns_client: Callable[..., Any], application: SnsApplication, more: dict[str, str]
) -> None:
    role = sandbox.post("sns/roles", external_id="acme")["arn"]
    client = sns_client(application, "sts")
    assert refusal(assume, client=client, role=role, **more)[:2] == (403, "AccessDenied")


def test_temporary_keys_need_their_session_token(
    sandbox: SandboxProcess, sns_client: Callable[..., Any], application: SnsApplication, endpoint: str
) -> None:
    keys = assume(sns_client(application, "sts"), sandbox.post("sns/roles")["arn"])
    options = {"aws_access_key_id": keys["AccessKeyId"], "aws_secret_access_key": keys["SecretAccessKey"]}
    client = sns_client(application, **options)
    assert refusal(client.publish, TargetArn=endpoint, Message="x")[1] == "InvalidClientTokenId"


def test_parameters_are_readable_by_their_account_only(
    sandbox: SandboxProcess, sns_client: Callable[..., Any], application: SnsApplication
) -> None:
    value = json.dumps({"k": "v"})
    sandbox.post("ssm/parameters", region=application.region, name="/acme/key", value=value)
    found = sns_client(application, "ssm").get_parameter(Name="/acme/key", WithDecryption=True)
    assert found["Parameter"]["Value"] == value
    globex = sandbox.mint_sns_application("APNS", account="444455556666")
    assert refusal(sns_client(globex, "ssm").get_parameter, Name="/acme/key")[1] == "ParameterNotFound"
