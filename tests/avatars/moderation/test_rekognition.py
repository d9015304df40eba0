"""The engine against the strict stand-in, and its error table against the vendor's model."""

from collections.abc import Callable, Iterator
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from avatars.moderation.base import EngineMisconfigured, EngineRefused, EngineRetry
from avatars.moderation.rekognition import ERRORS, ErrorKind, RekognitionEngine, exception_for
from avatars.moderation.types import S3Object
from sandbox.testing import SandboxProcess
from tests.avatars.imaging.builders import drawing, encoded

OPERATION = botocore.session.get_session().get_service_model("rekognition").operation_model("DetectModerationLabels")
FLOW = "arn:aws:sagemaker:eu-west-1:111122223333:flow-definition/avatars"


@pytest.fixture(scope="module")
def process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def control(process: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The sandbox's control, with this process's AWS environment pointed at the sandbox."""
    keys = process.mint_credentials()
    for name, value in {
        **process.aws_environment,
        "AWS_ACCESS_KEY_ID": keys["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    process.post("rekognition", reset=True)
    process.outage(0)
    return lambda **wish: process.post("rekognition", **wish)


@pytest.fixture
def engine(control: Callable[..., Any]) -> RekognitionEngine:
    return RekognitionEngine(region="eu-west-1")


def red(format: str = "JPEG") -> bytes:
    image = drawing()
    image.paste("red", (0, 0, *image.size))
    return encoded(format, image)


def test_labels_version_and_the_raw_response_are_kept(engine: RekognitionEngine) -> None:
    result = engine.moderate(red())
    assert [(one.Name, one.ParentName, one.TaxonomyLevel) for one in result.labels] == [
        ("Explicit", "", 1),
        ("Explicit Nudity", "Explicit", 2),
    ]
    assert (result.engine, result.ModerationModelVersion) == ("rekognition", "7.0")
    assert set(result.raw) >= {"ModerationLabels", "ModerationModelVersion"}


def test_labels_from_confidence_20_are_asked_for(engine: RekognitionEngine, control: Callable[..., Any]) -> None:
    import hashlib

    faint = {"Name": "Gambling", "ParentName": "", "Confidence": 21.0, "TaxonomyLevel": 1}
    control(labels={hashlib.sha256(red()).hexdigest(): [faint, faint | {"Confidence": 19.0}]})
    assert [one.Confidence for one in engine.moderate(red()).labels] == [21.0]


def test_an_object_in_s3_is_named_with_its_version(control: Callable[..., Any]) -> None:
    import base64

    body = base64.b64encode(red()).decode()
    control(objects=[{"bucket": "acme-pictures", "name": "m", "version": "v1", "region": "eu-west-1", "body": body}])
    engine = RekognitionEngine(region="eu-west-1", from_s3=True)
    assert engine.moderate(b"not sent", s3_object=S3Object(bucket="acme-pictures", key="m", version="v1")).labels
    with pytest.raises(EngineMisconfigured, match="InvalidS3ObjectException"):
        engine.moderate(b"not sent", s3_object=S3Object(bucket="acme-pictures", key="m", version="v2"))


def test_a_human_loop_is_named_after_the_picture(control: Callable[..., Any]) -> None:
    engine = RekognitionEngine(region="eu-west-1", flow_definition_arn=FLOW)
    loops = [engine.moderate(red()).raw["HumanLoopActivationOutput"]["HumanLoopArn"] for _ in range(2)]
    assert loops[0] == loops[1]


def test_one_error_is_retried_at_once_and_two_are_left_to_the_workflow(
    engine: RekognitionEngine, control: Callable[..., Any]
) -> None:
    control(failures=["ThrottlingException"])
    assert engine.moderate(red()).labels
    control(failures=["ThrottlingException"] * 2)
    with pytest.raises(EngineRetry, match="ThrottlingException"):
        engine.moderate(red())


ENDS = {ErrorKind.RETRY: EngineRetry, ErrorKind.MISCONFIGURED: EngineMisconfigured, ErrorKind.REFUSED: EngineRefused}


@pytest.mark.parametrize("code", sorted(shape.name for shape in OPERATION.error_shapes))
def test_each_error_of_the_vendor_raises_its_exception(
    engine: RekognitionEngine, control: Callable[..., Any], code: str
) -> None:
    control(failures=[code] * 2)
    with pytest.raises(ENDS[ERRORS[code]], match=code):
        engine.moderate(red())


def test_the_table_knows_every_error_of_the_vendors_model() -> None:
    assert {shape.name for shape in OPERATION.error_shapes} <= set(ERRORS)


@pytest.mark.parametrize(
    ("status", "end"), [(503, EngineRetry), (500, EngineRetry), (429, EngineRetry), (400, EngineMisconfigured)]
)
def test_an_error_without_a_row_is_classified_by_its_status(status: int, end: type[Exception]) -> None:
    assert isinstance(exception_for(answered(status)), end)


@pytest.mark.parametrize(("header", "after"), [("7", 7.0), ("soon", None), ("999999", 300.0)])
def test_retry_after_is_kept_within_bounds(header: str, after: float | None) -> None:
    error = exception_for(answered(503, header))
    assert isinstance(error, EngineRetry)
    assert error.after == after


def test_a_picture_of_a_wrong_format_is_refused(engine: RekognitionEngine) -> None:
    with pytest.raises(EngineRefused, match="InvalidImageFormatException"):
        engine.moderate(red("GIF"))


def test_wrong_keys_are_a_misconfiguration(control: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "guessed")
    with pytest.raises(EngineMisconfigured, match="InvalidSignatureException"):
        RekognitionEngine(region="eu-west-1").moderate(red())


def test_missing_keys_are_a_misconfiguration(control: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(EngineMisconfigured, match="NoCredentialsError"):
        RekognitionEngine(region="eu-west-1").moderate(red())


def test_an_outage_is_retried(engine: RekognitionEngine, process: SandboxProcess) -> None:
    process.outage(30, scope="rekognition", status="reset")
    with pytest.raises(EngineRetry):
        engine.moderate(red())


def test_a_refused_connection_is_retried(control: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", "http://127.0.0.1:1")
    with pytest.raises(EngineRetry, match="EndpointConnectionError"):
        RekognitionEngine(region="eu-west-1").moderate(red())


def answered(status: int, retry_after: str = "") -> ClientError:
    metadata: Any = {"HTTPStatusCode": status, "HTTPHeaders": {"retry-after": retry_after}}
    return ClientError({"Error": {"Code": "Novelty"}, "ResponseMetadata": metadata}, "DetectModerationLabels")
