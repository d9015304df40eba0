"""The endpoint's life as AWS prescribes it, call by call."""

from dataclasses import replace

import pytest

from providers.errors import AddressRejected, VendorMisconfigured, VendorRetry
from providers.provisioning import ProvisionedEndpoint
from providers.sns.arn import application_arn_parse, arn_parse
from providers.sns.endpoints import application_enabled, endpoint_delete, endpoint_ensure
from providers.sns.types import SnsCredentials
from tests.providers.sns.conftest import APP, CREDENTIALS, ENDPOINT
from tests.providers.sns.fake import FakeSns, attributes, created, error, ok

TOKEN = "AB12" * 16
CREATE, GET, SET = "CreatePlatformEndpoint", "GetEndpointAttributes", "SetEndpointAttributes"
CURRENT = attributes(Token=TOKEN.lower(), Enabled="true")
NOT_FOUND = error("NotFound", "Endpoint does not exist", 404)
OTHER_TOKEN = "AlreadyRegisteredWithDifferentToken"
SET_OK = (200, "<SetEndpointAttributesResponse/>")


def invalid(message: str) -> tuple[int, str]:
    return error("InvalidParameter", message)


def exists(arn: str) -> tuple[int, str]:
    reason = f"Endpoint {arn} already exists with the same Token, but different attributes."
    return invalid(f"Invalid parameter: Token Reason: {reason}")


def step(known_arn: str | None = None, **change: str) -> ProvisionedEndpoint:
    return endpoint_ensure(
        credentials=CREDENTIALS,
        platform_application_arn=change.get("app", APP),
        platform=change.get("platform", "APNS"),
        token=TOKEN,
        known_arn=known_arn,
    )


def ensure(known_arn: str | None = None, **change: str) -> ProvisionedEndpoint:
    """Until it is ready, as the caller does that stores each ARN that is named."""
    state = step(known_arn, **change)
    return state if state.ready else ensure(state.endpoint_arn, **change)


def test_a_new_device_is_created_and_read(sns: FakeSns) -> None:
    sns.script = [created(ENDPOINT), CURRENT]
    assert ensure() == ProvisionedEndpoint(ENDPOINT, ready=True)
    assert sns.actions == [CREATE, GET]


def test_nothing_of_the_user_is_sent(sns: FakeSns) -> None:
    sns.script = [created(ENDPOINT), CURRENT]
    ensure()
    sent = set(sns.calls[0]) - {"authorization"}
    assert sent == {"Action", "Version", "PlatformApplicationArn", "Token"}


def test_an_unchanged_device_costs_one_call(sns: FakeSns) -> None:
    sns.script = [CURRENT]
    assert ensure(ENDPOINT).endpoint_arn == ENDPOINT
    assert sns.actions == [GET]


def test_apns_tokens_are_sent_in_lower_case(sns: FakeSns) -> None:
    sns.script = [created(ENDPOINT), CURRENT]
    ensure()
    assert sns.calls[0]["Token"] == TOKEN.lower()


def test_fcm_tokens_keep_their_case_and_are_compared_with_it(sns: FakeSns) -> None:
    arn = ENDPOINT.replace("APNS", "GCM")
    sns.script = [attributes(Token=TOKEN.lower(), Enabled="true"), SET_OK]
    ensure(arn, app=APP.replace("APNS", "GCM"), platform="GCM")
    assert sns.actions == [GET, SET]
    assert TOKEN in sns.calls[1].values()


@pytest.mark.parametrize(
    "held", [attributes(Token="other", Enabled="true"), attributes(Token=TOKEN.lower(), Enabled="false")]
)
def test_another_token_or_a_disabled_endpoint_is_set_right(sns: FakeSns, held: tuple[int, str]) -> None:
    sns.script = [held, SET_OK]
    assert ensure(ENDPOINT) == ProvisionedEndpoint(ENDPOINT, ready=True)
    assert sns.actions == [GET, SET]
    assert {TOKEN.lower(), "true"} <= set(sns.calls[1].values())


def test_a_deleted_endpoint_is_created_again(sns: FakeSns) -> None:
    new = ENDPOINT.replace("0193", "0194")
    sns.script = [NOT_FOUND, created(new), CURRENT]
    assert ensure(ENDPOINT).endpoint_arn == new
    assert sns.actions == [GET, CREATE, GET]


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-iso-b"])
def test_already_exists_is_recovered_in_every_partition(sns: FakeSns, partition: str) -> None:
    arn = ENDPOINT.replace("arn:aws:", f"arn:{partition}:")
    sns.script = [exists(arn), CURRENT]
    assert ensure(app=APP.replace("arn:aws:", f"arn:{partition}:")).endpoint_arn == arn


def test_a_token_that_moved_to_another_endpoint_is_followed(sns: FakeSns) -> None:
    """Not before the old endpoint is deleted: afterwards its ARN is lost."""
    other = ENDPOINT.replace("0193", "0195")
    sns.script = [attributes(Token="old", Enabled="true"), exists(other), ok("DeleteEndpoint"), CURRENT]
    assert ensure(ENDPOINT).endpoint_arn == other
    assert sns.actions == [GET, SET, "DeleteEndpoint", GET]
    assert sns.calls[2]["EndpointArn"] == ENDPOINT


def test_an_endpoint_of_another_application_is_never_used(sns: FakeSns) -> None:
    sns.script = [exists(ENDPOINT.replace("acme", "globex"))]
    with pytest.raises(VendorMisconfigured, match="EndpointOfAnotherApplication"):
        ensure()


def test_a_known_endpoint_of_another_application_is_forgotten(sns: FakeSns) -> None:
    sns.script = [created(ENDPOINT), CURRENT]
    ensure(ENDPOINT.replace("acme", "globex"))
    assert sns.actions == [CREATE, GET]


def test_an_endpoint_that_is_only_named_is_left_alone(sns: FakeSns) -> None:
    """It may be another device's: the caller stores it as its own first."""
    sns.script = [created(ENDPOINT)]
    assert step() == ProvisionedEndpoint(ENDPOINT, ready=False)
    assert sns.actions == [CREATE]


@pytest.mark.parametrize(
    ("answer", "failure", "code"),
    [
        (invalid("Invalid parameter: Token Reason: iOS device tokens"), AddressRejected, "InvalidParameter"),
        (invalid("This endpoint is already registered with a different token."), AddressRejected, OTHER_TOKEN),
        (invalid("Invalid parameter: PlatformApplicationArn Reason: x"), VendorMisconfigured, "InvalidParameter"),
        (error("NotFound", "PlatformApplication does not exist", 404), VendorMisconfigured, "NotFound"),
        (error("AuthorizationError", "", 403), VendorMisconfigured, "AuthorizationError"),
        (error("InvalidClientTokenId", "", 403), VendorMisconfigured, "InvalidClientTokenId"),
        (error("Throttling", "Rate exceeded"), VendorRetry, "Throttling"),
        (error("InternalError", "", 500), VendorRetry, "InternalError"),
        ((200, "<html>a proxy's page"), VendorRetry, "ResponseParserError"),
    ],
)
def test_what_aws_refuses_is_typed(sns: FakeSns, answer: tuple[int, str], failure: type[Exception], code: str) -> None:
    sns.script = [answer]
    with pytest.raises(failure, match=f"^{code}$"):
        ensure()
    assert sns.actions == [CREATE]


def test_boto3_does_not_retry_by_itself(sns: FakeSns) -> None:
    sns.script = [error("InternalError", "", 500)] * 5
    with pytest.raises(VendorRetry):
        ensure(ENDPOINT)
    assert len(sns.calls) == 1


def test_an_unreachable_sns_is_retried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:9")
    with pytest.raises(VendorRetry):
        ensure()


@pytest.mark.parametrize("app", ["", "acme", APP.replace(":sns:", ":sqs:"), APP.replace("eu-west-1", "us-east-1")])
def test_a_wrong_application_costs_no_call(sns: FakeSns, app: str) -> None:
    with pytest.raises(VendorMisconfigured):
        ensure(app=app)
    assert sns.calls == []


def test_deleting_is_idempotent(sns: FakeSns) -> None:
    sns.script = [ok("DeleteEndpoint"), NOT_FOUND]
    endpoint_delete(credentials=CREDENTIALS, endpoint_arn=ENDPOINT)
    endpoint_delete(credentials=CREDENTIALS, endpoint_arn=ENDPOINT)
    assert sns.actions == ["DeleteEndpoint"] * 2


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_verifying_reads_the_application_once(sns: FakeSns, enabled: str) -> None:
    sns.script = [attributes("GetPlatformApplicationAttributes", Enabled=enabled)]
    answer = application_enabled(credentials=CREDENTIALS, platform_application_arn=APP)
    assert (answer, sns.actions) == (enabled == "true", ["GetPlatformApplicationAttributes"])


def test_verifying_bad_credentials_says_so(sns: FakeSns) -> None:
    sns.script = [error("InvalidClientTokenId", "The security token included in the request is invalid", 403)]
    with pytest.raises(VendorMisconfigured, match="InvalidClientTokenId"):
        application_enabled(credentials=CREDENTIALS, platform_application_arn=APP)


def test_no_credentials_means_no_call(sns: FakeSns) -> None:
    ambient = SnsCredentials(cache_key=("x", 1), region="eu-west-1", ambient=True)
    role = replace(ambient, ambient=False, role_arn="arn:aws:iam::123456789012:role/acme", external_id="acme")
    for credentials in (ambient, replace(ambient, ambient=False), role):
        with pytest.raises(VendorMisconfigured):
            application_enabled(credentials=credentials, platform_application_arn=APP)
    assert sns.calls == []


def test_arns_are_read_in_every_partition() -> None:
    parsed = application_arn_parse(APP.replace("arn:aws:", "arn:aws-us-gov:"))
    assert (parsed.partition, parsed.region, parsed.account, parsed.platform, parsed.name) == (
        "aws-us-gov",
        "eu-west-1",
        "123456789012",
        "APNS",
        "acme",
    )


@pytest.mark.parametrize("arn", ["", "arn", "arn:aws:sns", "arn:gcp:sns:x:123456789012:y", APP + "\n", APP + "é"])
def test_nonsense_is_no_arn(arn: str) -> None:
    with pytest.raises(ValueError):
        arn_parse(arn)
