"""The strict Rekognition, through a real boto3 client."""

import base64
import hashlib
import io
import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from sandbox.testing import SandboxProcess, SnsApplication

ADAPTER = "arn:aws:rekognition:eu-west-1:111122223333:project/avatars/version/strict/1700000000000"
FLOW = "arn:aws:sagemaker:eu-west-1:111122223333:flow-definition/avatars"


def picture(colour: str = "red", size: tuple[int, int] = (100, 100), format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, format)
    return file.getvalue()


@pytest.fixture
def control(sandbox: SandboxProcess) -> Iterator[Callable[..., dict[str, Any]]]:
    def call(**options: Any) -> dict[str, Any]:
        return sandbox.post("rekognition", **options)

    call(reset=True)
    yield call
    call(reset=True)


@pytest.fixture
def rekognition(
    control: Callable[..., Any], sns_client: Callable[..., Any], application: SnsApplication
) -> Callable[..., Any]:
    return sns_client(application, service="rekognition").detect_moderation_labels  # type: ignore[no-any-return]


def code_of(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_labels_follow_the_colour(rekognition: Callable[..., Any]) -> None:
    response = rekognition(Image={"Bytes": picture("red")})
    names = [(label["Name"], label["ParentName"], label["TaxonomyLevel"]) for label in response["ModerationLabels"]]
    assert names == [("Explicit", "", 1), ("Explicit Nudity", "Explicit", 2)]
    assert response["ModerationModelVersion"] == "7.0"


def test_a_green_picture_has_no_labels(rekognition: Callable[..., Any]) -> None:
    assert rekognition(Image={"Bytes": picture("lime", format="JPEG")})["ModerationLabels"] == []


@pytest.mark.parametrize(("options", "names"), [({}, 2), ({"MinConfidence": 40}, 3), ({"MinConfidence": 95}, 0)])
def test_labels_start_at_the_requested_confidence_or_50(
    rekognition: Callable[..., Any], options: dict[str, Any], names: int
) -> None:
    assert len(rekognition(Image={"Bytes": picture("blue")}, **options)["ModerationLabels"]) == names


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (picture(size=(79, 200)), "InvalidParameterException"),
        (picture(size=(10_001, 90)), "ImageTooLargeException"),
        (picture(format="WEBP"), "InvalidImageFormatException"),
        (picture(format="GIF"), "InvalidImageFormatException"),
        (b"hello", "InvalidImageFormatException"),
        (picture() + b"\0" * 5_242_880, "ValidationException"),
    ],
    ids=["79 px", "10,001 px", "WebP", "GIF", "text", "above 5 MB"],
)
def test_pictures_beyond_the_limits_are_refused(rekognition: Callable[..., Any], body: bytes, code: str) -> None:
    assert code_of(rekognition, Image={"Bytes": body}) == code


def test_five_megabytes_are_accepted(rekognition: Callable[..., Any]) -> None:
    small = picture()
    assert rekognition(Image={"Bytes": small + b"\0" * (5_242_880 - len(small))})


def test_s3_objects_are_found_in_their_region_and_version_only(
    rekognition: Callable[..., Any], control: Callable[..., Any]
) -> None:
    body = base64.b64encode(picture("red")).decode()
    control(objects=[{"bucket": "acme-pictures", "name": "a", "version": "v1", "region": "eu-west-1", "body": body}])
    control(objects=[{"bucket": "acme-far", "name": "a", "region": "us-east-1", "body": body}])
    here = {"Bucket": "acme-pictures", "Name": "a", "Version": "v1"}
    assert len(rekognition(Image={"S3Object": here})["ModerationLabels"]) == 2
    for other in ({"Version": "v2"}, {"Name": "b"}, {"Bucket": "acme-far"}):
        assert code_of(rekognition, Image={"S3Object": here | other}) == "InvalidS3ObjectException"


def test_an_s3_object_may_have_more_than_five_megabytes(
    rekognition: Callable[..., Any], control: Callable[..., Any]
) -> None:
    for name, size in (("small", 6_000_000), ("large", 16_000_000)):
        body = base64.b64encode(picture() + b"\0" * size).decode()
        control(objects=[{"bucket": "acme-pictures", "name": name, "region": "eu-west-1", "body": body}])
    assert rekognition(Image={"S3Object": {"Bucket": "acme-pictures", "Name": "small"}})
    large = {"Bucket": "acme-pictures", "Name": "large"}
    assert code_of(rekognition, Image={"S3Object": large}) == "ImageTooLargeException"


def test_throttling_on_request(rekognition: Callable[..., Any], control: Callable[..., Any]) -> None:
    control(per_second=0)
    assert code_of(rekognition, Image={"Bytes": picture()}) == "ProvisionedThroughputExceededException"
    control(per_second=None)
    assert rekognition(Image={"Bytes": picture()})


def test_errors_on_request_come_in_order(rekognition: Callable[..., Any], control: Callable[..., Any]) -> None:
    control(failures=["InternalServerError", "AccessDeniedException"])
    codes = [code_of(rekognition, Image={"Bytes": picture()}) for _ in range(2)]
    assert codes == ["InternalServerError", "AccessDeniedException"]
    assert rekognition(Image={"Bytes": picture()})


def test_labels_of_a_certain_picture(rekognition: Callable[..., Any], control: Callable[..., Any]) -> None:
    label = {"Name": "Gambling", "ParentName": "", "Confidence": 77.0, "TaxonomyLevel": 1}
    control(labels={hashlib.sha256(picture("red")).hexdigest(): [label]}, model_version="8.0")
    response = rekognition(Image={"Bytes": picture("red")})
    assert (response["ModerationLabels"], response["ModerationModelVersion"]) == ([label], "8.0")


def test_project_versions_must_exist_and_run(rekognition: Callable[..., Any], control: Callable[..., Any]) -> None:
    options = {"Image": {"Bytes": picture()}, "ProjectVersion": ADAPTER}
    assert code_of(rekognition, **options) == "ResourceNotFoundException"
    control(project_versions={ADAPTER: "STOPPED"})
    assert code_of(rekognition, **options) == "ResourceNotReadyException"
    control(project_versions={ADAPTER: "RUNNING"})
    assert rekognition(**options)["ProjectVersion"] == ADAPTER


def test_a_human_loop_starts_when_there_are_labels(rekognition: Callable[..., Any]) -> None:
    config = {"HumanLoopName": "avatar-1", "FlowDefinitionArn": FLOW}
    started = rekognition(Image={"Bytes": picture("red")}, HumanLoopConfig=config)["HumanLoopActivationOutput"]
    assert started["HumanLoopArn"].endswith("human-loop/avatar-1")
    idle = rekognition(Image={"Bytes": picture("lime")}, HumanLoopConfig=config)["HumanLoopActivationOutput"]
    assert "HumanLoopArn" not in idle


def test_signatures_are_checked(
    control: Callable[..., Any], sns_client: Callable[..., Any], application: SnsApplication
) -> None:
    wrong = {"secret": {"aws_secret_access_key": "guessed"}, "id": {"aws_access_key_id": "AKIA0000000000000000"}}
    codes = {
        name: code_of(
            sns_client(application, service="rekognition", **keys).detect_moderation_labels,
            Image={"Bytes": picture()},
        )
        for name, keys in wrong.items()
    }
    assert codes == {"secret": "InvalidSignatureException", "id": "UnrecognizedClientException"}


def test_unsigned_and_unknown_calls_are_violations(control: Callable[..., Any], sandbox: SandboxProcess) -> None:
    request = urllib.request.Request(f"{sandbox.url}/rekognition", data=json.dumps({}).encode())
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)
    assert json.load(refused.value)["__type"] == "MissingAuthenticationTokenException"
    assert [entry["provider"] for entry in sandbox.violations()] == ["rekognition"]


def test_an_outage_of_rekognition_alone(rekognition: Callable[..., Any], sandbox: SandboxProcess) -> None:
    sandbox.outage(30, scope="rekognition")
    with pytest.raises(ClientError) as caught:
        rekognition(Image={"Bytes": picture()})
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    sandbox.outage(0, scope="rekognition")
