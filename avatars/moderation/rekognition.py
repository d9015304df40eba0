"""Amazon Rekognition's DetectModerationLabels."""

import hashlib
from collections.abc import Mapping
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from typing_extensions import override

from avatars.moderation.base import Engine, EngineMisconfigured, EngineRefused, EngineRetry
from avatars.moderation.types import KEPT_FROM, ModerationLabel, ModerationResult, S3Object

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient


class ErrorKind(Enum):
    RETRY = "the same call may succeed later"
    MISCONFIGURED = "no picture is answered until an operator acts"
    REFUSED = "this picture is never answered"


# Every error of the operation in the vendor's model, then what any AWS service answers (API reference, Common Errors).
ERRORS: Mapping[str, ErrorKind] = {
    "ProvisionedThroughputExceededException": ErrorKind.RETRY,
    "ThrottlingException": ErrorKind.RETRY,
    "InternalServerError": ErrorKind.RETRY,
    # The human reviewers have reached their quota; later calls may succeed.
    "HumanLoopQuotaExceededException": ErrorKind.RETRY,
    "AccessDeniedException": ErrorKind.MISCONFIGURED,
    "ResourceNotFoundException": ErrorKind.MISCONFIGURED,
    # A project version that is not running: an operator must start it.
    "ResourceNotReadyException": ErrorKind.MISCONFIGURED,
    # The object exists, because pushhub put it: the bucket is in another region, or Rekognition may not read it.
    "InvalidS3ObjectException": ErrorKind.MISCONFIGURED,
    "InvalidParameterException": ErrorKind.REFUSED,
    "ImageTooLargeException": ErrorKind.REFUSED,
    "InvalidImageFormatException": ErrorKind.REFUSED,
    "InternalFailure": ErrorKind.RETRY,
    "ServiceUnavailable": ErrorKind.RETRY,
    "RequestExpired": ErrorKind.MISCONFIGURED,
    "ExpiredTokenException": ErrorKind.MISCONFIGURED,
    "IncompleteSignature": ErrorKind.MISCONFIGURED,
    "InvalidSignatureException": ErrorKind.MISCONFIGURED,
    "MissingAuthenticationTokenException": ErrorKind.MISCONFIGURED,
    "NotAuthorized": ErrorKind.MISCONFIGURED,
    "OptInRequired": ErrorKind.MISCONFIGURED,
    "UnknownOperationException": ErrorKind.MISCONFIGURED,
    "UnrecognizedClientException": ErrorKind.MISCONFIGURED,
    "ValidationException": ErrorKind.REFUSED,
}
_PASSING = (
    boto.HTTPClientError,
    boto.ConnectionError,
    boto.CredentialRetrievalError,
    boto.IncompleteReadError,
    boto.MetadataRetrievalError,
    ResponseParserError,
)


class RekognitionEngine(Engine):
    """`flow_definition_arn`: a human review workflow of Amazon A2I; `project_version`: a custom adapter.

    `from_s3`: let Rekognition fetch the object, which must be in its region, instead of sending the bytes.
    Credentials come from the environment; AWS_ENDPOINT_URL_REKOGNITION replaces the address.
    """

    name: ClassVar[str] = "rekognition"

    def __init__(
        self, *, region: str = "", flow_definition_arn: str = "", project_version: str = "", from_s3: bool = False
    ) -> None:
        self._region = region
        self._flow_definition_arn = flow_definition_arn
        self._project_version = project_version
        self._from_s3 = from_s3

    @override
    def moderate(self, image: bytes, *, s3_object: S3Object | None = None) -> ModerationResult:
        try:
            response = self._client.detect_moderation_labels(**self.request(image, s3_object=s3_object))
        except boto.ClientError as error:
            raise exception_for(error) from None
        except _PASSING as error:
            raise EngineRetry(type(error).__name__) from None
        except boto.BotoCoreError as error:
            raise EngineMisconfigured(type(error).__name__) from None
        return _result(dict(response))

    def request(self, image: bytes, *, s3_object: S3Object | None = None) -> dict[str, Any]:
        found: dict[str, Any] = {"Image": {"Bytes": image}, "MinConfidence": KEPT_FROM}
        if self._from_s3 and s3_object is not None:
            version = {"Version": s3_object.version} if s3_object.version else {}
            found["Image"] = {"S3Object": {"Bucket": s3_object.bucket, "Name": s3_object.key, **version}}
        if self._flow_definition_arn:
            # A second request for the same picture joins the review that was started, and costs no second one.
            name = f"pushhub-{hashlib.sha256(image).hexdigest()[:48]}"
            found["HumanLoopConfig"] = {"HumanLoopName": name, "FlowDefinitionArn": self._flow_definition_arn}
        if self._project_version:
            found["ProjectVersion"] = self._project_version
        return found

    @cached_property
    def _client(self) -> "RekognitionClient":
        import boto3.session
        from botocore.config import Config

        config = Config(
            connect_timeout=3,
            read_timeout=15,
            # One quick retry; the workflow retries later, also after this process has ended.
            retries={"mode": "standard", "total_max_attempts": 2},
            max_pool_connections=4,
        )
        # A separate session: the module's default session is not safe to share, and keeps credentials forever.
        return boto3.session.Session().client("rekognition", region_name=self._region or None, config=config)


def exception_for(error: boto.ClientError) -> Exception:
    """Codes without a row: 5xx and 429 are retried, others need an operator."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    metadata = error.response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    passing = status >= 500 or status == 429
    match ERRORS.get(code, ErrorKind.RETRY if passing else ErrorKind.MISCONFIGURED):
        case ErrorKind.RETRY:
            after = str(metadata.get("HTTPHeaders", {}).get("retry-after", ""))
            return EngineRetry(code, after=min(float(after), 300.0) if after.isdecimal() else None)
        case ErrorKind.REFUSED:
            return EngineRefused(code)
        case ErrorKind.MISCONFIGURED:
            return EngineMisconfigured(code)


def _result(response: dict[str, Any]) -> ModerationResult:
    response.pop("ResponseMetadata", None)
    return ModerationResult(
        labels=tuple(ModerationLabel.parse(label) for label in response.get("ModerationLabels", ())),
        engine=RekognitionEngine.name,
        ModerationModelVersion=str(response.get("ModerationModelVersion", "")),
        raw=response,
    )
