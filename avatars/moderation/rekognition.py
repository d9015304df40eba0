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


class Fault(Enum):
    RETRY = "the same call may succeed later"
    MISCONFIGURED = "no picture is answered until an operator acts"
    REFUSED = "this picture is never answered"


# Every error of the operation in the vendor's model, then what any AWS service answers (API reference, Common Errors).
ERRORS: Mapping[str, Fault] = {
    "ProvisionedThroughputExceededException": Fault.RETRY,
    "ThrottlingException": Fault.RETRY,
    "InternalServerError": Fault.RETRY,
    # The reviewers' team has too much to do, not we.
    "HumanLoopQuotaExceededException": Fault.RETRY,
    "AccessDeniedException": Fault.MISCONFIGURED,
    "ResourceNotFoundException": Fault.MISCONFIGURED,
    # A project version that is not running: somebody must start it.
    "ResourceNotReadyException": Fault.MISCONFIGURED,
    # The object is there, we put it: the bucket is in another region, or may not be read.
    "InvalidS3ObjectException": Fault.MISCONFIGURED,
    "InvalidParameterException": Fault.REFUSED,
    "ImageTooLargeException": Fault.REFUSED,
    "InvalidImageFormatException": Fault.REFUSED,
    "InternalFailure": Fault.RETRY,
    "ServiceUnavailable": Fault.RETRY,
    "RequestExpired": Fault.MISCONFIGURED,
    "ExpiredTokenException": Fault.MISCONFIGURED,
    "IncompleteSignature": Fault.MISCONFIGURED,
    "InvalidSignatureException": Fault.MISCONFIGURED,
    "MissingAuthenticationTokenException": Fault.MISCONFIGURED,
    "NotAuthorized": Fault.MISCONFIGURED,
    "OptInRequired": Fault.MISCONFIGURED,
    "UnknownOperationException": Fault.MISCONFIGURED,
    "UnrecognizedClientException": Fault.MISCONFIGURED,
    "ValidationException": Fault.REFUSED,
}
_PASSING = (
    boto.HTTPClientError,
    boto.ConnectionError,
    boto.CredentialRetrievalError,
    boto.IncompleteReadError,
    boto.MetadataRetrievalError,
    ResponseParserError,
)


class Rekognition(Engine):
    """`flow_definition_arn`: a human review workflow of Amazon A2I; `project_version`: an adapter of one's own.

    `from_s3`: let Rekognition fetch the object, which must be in its region, instead of sending the bytes.
    Credentials are the environment's; AWS_ENDPOINT_URL_REKOGNITION replaces the address.
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
            answer = self._client.detect_moderation_labels(**self.request(image, s3_object=s3_object))
        except boto.ClientError as error:
            raise _of_client_error(error) from None
        except _PASSING as error:
            raise EngineRetry(type(error).__name__) from None
        except boto.BotoCoreError as error:
            raise EngineMisconfigured(type(error).__name__) from None
        return _result(dict(answer))

    def request(self, image: bytes, *, s3_object: S3Object | None = None) -> dict[str, Any]:
        found: dict[str, Any] = {"Image": {"Bytes": image}, "MinConfidence": KEPT_FROM}
        if self._from_s3 and s3_object is not None:
            version = {"Version": s3_object.version} if s3_object.version else {}
            found["Image"] = {"S3Object": {"Bucket": s3_object.bucket, "Name": s3_object.key, **version}}
        if self._flow_definition_arn:
            # The same picture asked again joins the loop that was begun, and costs no second review.
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
            # One quick retry; the workflow's own come later and survive this process.
            retries={"mode": "standard", "total_max_attempts": 2},
            max_pool_connections=4,
        )
        # A session of its own: the module's default one is not safe to share, and remembers credentials for ever.
        return boto3.session.Session().client("rekognition", region_name=self._region or None, config=config)


def _of_client_error(error: boto.ClientError) -> Exception:
    """What is in no table: 5xx and 429 pass by, anything else is for an operator to see."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    metadata = error.response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    passing = status >= 500 or status == 429
    match ERRORS.get(code, Fault.RETRY if passing else Fault.MISCONFIGURED):
        case Fault.RETRY:
            after = str(metadata.get("HTTPHeaders", {}).get("retry-after", ""))
            return EngineRetry(code, after=min(float(after), 300.0) if after.isdecimal() else None)
        case Fault.REFUSED:
            return EngineRefused(code)
        case Fault.MISCONFIGURED:
            return EngineMisconfigured(code)


def _result(answer: dict[str, Any]) -> ModerationResult:
    answer.pop("ResponseMetadata", None)
    return ModerationResult(
        labels=tuple(ModerationLabel.parse(label) for label in answer.get("ModerationLabels", ())),
        engine=Rekognition.name,
        ModerationModelVersion=str(answer.get("ModerationModelVersion", "")),
        raw=answer,
    )
