"""The table of SNS's error codes is complete, and says what the architecture wants of each."""

import botocore.session
import pytest

from providers.sns.errors import CLASSIFICATION, DOCUMENTED, OBSERVED, classify
from providers.types import Outcome


def codes_of_publish() -> set[str]:
    model = botocore.session.get_session().get_service_model("sns")
    return {shape.metadata["error"]["code"] for shape in model.operation_model("Publish").error_shapes}


def test_every_error_shape_of_publish_is_classified_and_no_other() -> None:
    assert set(DOCUMENTED) == codes_of_publish()


def test_what_was_observed_is_not_documented() -> None:
    assert set(OBSERVED) & codes_of_publish() == set()
    assert len(CLASSIFICATION) == len(DOCUMENTED) + len(OBSERVED)


@pytest.mark.parametrize("code", CLASSIFICATION)
def test_no_error_means_accepted(code: str) -> None:
    assert classify(code, "").outcome is not Outcome.ACCEPTED
    assert classify(code, "").why


@pytest.mark.parametrize(
    ("code", "message", "outcome"),
    [
        ("EndpointDisabled", "Endpoint is disabled", Outcome.ENDPOINT_GONE),
        ("NotFound", "Endpoint does not exist", Outcome.ENDPOINT_GONE),
        (
            "InvalidParameter",
            "Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified",
            Outcome.ENDPOINT_GONE,
        ),
        (
            "InvalidParameter",
            "Invalid parameter: Message Reason: Message size is larger than supported by protocol/end-service",
            Outcome.REJECTED,
        ),
        ("InvalidParameter", "Invalid parameter: Message Structure", Outcome.REJECTED),
        ("ValidationException", "", Outcome.REJECTED),
        ("PlatformApplicationDisabled", "", Outcome.MISCONFIGURED),
        ("AuthorizationError", "", Outcome.MISCONFIGURED),
        ("InvalidClientTokenId", "", Outcome.MISCONFIGURED),
        ("SignatureDoesNotMatch", "", Outcome.MISCONFIGURED),
        ("KMSDisabled", "", Outcome.MISCONFIGURED),
        ("KMSThrottling", "", Outcome.RETRY),
        ("Throttling", "Rate exceeded", Outcome.RETRY),
        ("ThrottlingException", "Rate exceeded", Outcome.RETRY),
        ("InternalError", "", Outcome.RETRY),
        ("NobodyHasSeenThis", "", Outcome.RETRY),
    ],
)
def test_what_a_code_means(code: str, message: str, outcome: Outcome) -> None:
    assert classify(code, message).outcome is outcome
