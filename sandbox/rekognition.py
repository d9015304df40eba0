"""Amazon Rekognition's DetectModerationLabels over the wire: `POST /rekognition`, AWS JSON 1.1, signatures checked.

It looks only at the picture's colour: red, yellow, magenta and blue have labels (`SCRIPT`), other colours have none.
`POST /sandbox/rekognition` can set the labels of a certain picture, and the next errors.
"""

import base64
import binascii
import hashlib
import io
import json
import re
import secrets
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web
from PIL import Image

from sandbox.journal import Journal
from sandbox.outage import Outage
from sandbox.sns.calls import CallLog, Quota
from sandbox.sns.sigv4 import Identity, Keyring
from sandbox.sns.wire import AwsError

ACTION = "DetectModerationLabels"
MODEL_VERSION = "7.0"
MAX_BYTES = 5 * 1024 * 1024
MAX_OBJECT_BYTES = 15 * 1024 * 1024
MIN_SIDE, MAX_SIDE = 80, 10_000
MIN_CONFIDENCE = 50.0
# aiohttp's own limit on a body must be above AWS's limit, or its error would hide AWS's error.
MAX_BODY = 32 * 1024 * 1024

Label = dict[str, Any]
_NUDITY = "Non-Explicit Nudity of Intimate parts and Kissing"
# (Name, ParentName, Confidence, TaxonomyLevel)
SCRIPT: Mapping[str, tuple[tuple[str, str, float, int], ...]] = {
    "red": (("Explicit", "", 99.1, 1), ("Explicit Nudity", "Explicit", 99.1, 2)),
    "yellow": ((_NUDITY, "", 62.5, 1), ("Non-Explicit Nudity", _NUDITY, 62.5, 2)),
    "magenta": (("A Label Of Tomorrow", "", 91.0, 1),),
    "blue": (("Alcohol", "", 93.4, 1), ("Alcohol Use", "Alcohol", 93.4, 2), ("Drinking", "Alcohol Use", 41.0, 3)),
}
_COLOURS = {"100": "red", "110": "yellow", "101": "magenta", "001": "blue"}
# The names of signature errors in the JSON services.
_SIGNATURE_CODES = {
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "IncompleteSignature": "IncompleteSignatureException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "RequestExpired": "InvalidSignatureException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "ExpiredToken": "ExpiredTokenException",
}
_FLOW = re.compile(r"arn:aws[a-z-]*:sagemaker:([a-z0-9-]+):[0-9]{12}:flow-definition/[a-z0-9-]{1,63}\Z")
_LOOP_NAME = re.compile(r"[a-z0-9](-*[a-z0-9])*\Z")
_MEMBERS = frozenset({"Image", "MinConfidence", "HumanLoopConfig", "ProjectVersion"})


class Rekognition:
    def __init__(self, *, keyring: Keyring, journal: Journal, outage: Outage) -> None:
        self._keyring = keyring
        self._journal = journal
        self._outage = outage
        self.reset()

    def reset(self) -> None:
        self.calls = CallLog()
        self.quota = Quota(code="ProvisionedThroughputExceededException")
        self.model_version = MODEL_VERSION
        self.failures: deque[str] = deque()
        self.labels: dict[str, list[Label]] = {}
        self.objects: dict[tuple[str, str, str], bytes] = {}
        self.bucket_regions: dict[str, str] = {}
        self.project_versions: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/rekognition", self.receive),
            web.post("/rekognition/", self.receive),
            web.post("/sandbox/rekognition", self._control),
            web.get("/sandbox/rekognition", self._show),
        ]

    async def receive(self, request: web.Request) -> web.Response:
        self._journal.counters["rekognition.requests"] += 1
        down = await self._outage.play(request, "rekognition")
        if down is not None:
            return down
        body = await request.clone(client_max_size=MAX_BODY).read()
        identity = Identity("", "", "")
        try:
            identity = self._keyring.verify(request, body, "rekognition")
            response = self._act(identity, _parse(request, body))
        except AwsError as error:
            return self._refused(identity, error)
        self._log(identity, "OK")
        return _json(response, 200)

    def _act(self, identity: Identity, parameters: dict[str, Any]) -> dict[str, Any]:
        if self.failures:
            code = self.failures.popleft()
            raise AwsError(
                code, "requested through the control API", status=500 if code == "InternalServerError" else 400
            )
        try:
            self.quota.take(ACTION)
        except AwsError as error:
            raise AwsError(error.code, "Provisioned Rate exceeded") from None
        _check_members(parameters)
        self._check_project_version(parameters.get("ProjectVersion"))
        picture = self._picture(identity, parameters["Image"])
        labels = self.labels.get(hashlib.sha256(picture).hexdigest())
        found = _above(
            _labels_of(picture) if labels is None else labels, parameters.get("MinConfidence", MIN_CONFIDENCE)
        )
        response: dict[str, Any] = {
            "ModerationLabels": found,
            "ModerationModelVersion": self.model_version,
            "ContentTypes": [],
        }
        if "HumanLoopConfig" in parameters:
            response["HumanLoopActivationOutput"] = _human_loop(identity, parameters["HumanLoopConfig"], found)
        if "ProjectVersion" in parameters:
            response["ProjectVersion"] = parameters["ProjectVersion"]
        return response

    def _picture(self, identity: Identity, image: Mapping[str, Any]) -> bytes:
        if "Bytes" in image:
            picture = _from_base64(image["Bytes"])
            if len(picture) > MAX_BYTES:
                reason = f"Member must have length less than or equal to {MAX_BYTES}"
                message = f"1 validation error detected: Value at 'image.bytes' failed to satisfy constraint: {reason}"
                raise AwsError("ValidationException", message, violation=True)
        else:
            picture = self._object(identity, image["S3Object"])
            if len(picture) > MAX_OBJECT_BYTES:
                raise AwsError("ImageTooLargeException", "Image size is too large")
        _check_picture(picture)
        return picture

    def _object(self, identity: Identity, parameters: Mapping[str, Any]) -> bytes:
        bucket, name, version = (str(parameters.get(member, "")) for member in ("Bucket", "Name", "Version"))
        found = self.objects.get((bucket, name, version))
        if found is None or self.bucket_regions.get(bucket) != identity.region:
            message = "Unable to get object metadata from S3. Check object key, region and/or access permissions."
            raise AwsError("InvalidS3ObjectException", message)
        return found

    def _check_project_version(self, arn: str | None) -> None:
        if arn is None:
            return
        status = self.project_versions.get(arn)
        if status is None:
            raise AwsError("ResourceNotFoundException", "The resource specified in the request cannot be found")
        if status != "RUNNING":
            raise AwsError("ResourceNotReadyException", f"The project version is {status}")

    # the control API

    async def _control(self, request: web.Request) -> web.Response:
        """Options: reset, per_second, failures, model_version, labels (by SHA-256), objects, project_versions."""
        try:
            self._apply(json.loads(await request.clone(client_max_size=MAX_BODY).read() or b"{}"))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return self._state()

    def _apply(self, options: dict[str, Any]) -> None:
        if options.get("reset"):
            self.reset()
        if "per_second" in options:
            self.quota.control_per_second = options["per_second"]
        self.failures.extend(options.get("failures", ()))
        self.model_version = options.get("model_version", self.model_version)
        self.labels.update(options.get("labels", {}))
        self.project_versions.update(options.get("project_versions", {}))
        for entry in options.get("objects", ()):
            body = base64.b64decode(entry["body"])
            self.bucket_regions[entry["bucket"]] = entry["region"]
            for version in {"", entry.get("version", "")}:
                self.objects[entry["bucket"], entry["name"], version] = body

    async def _show(self, _request: web.Request) -> web.Response:
        return self._state()

    def _state(self) -> web.Response:
        return web.json_response({"model_version": self.model_version, **self.calls.as_json()})

    def _refused(self, identity: Identity, error: AwsError) -> web.Response:
        code = _SIGNATURE_CODES.get(error.code, error.code)
        self._journal.counters[f"rekognition.refused.{code}"] += 1
        self._log(identity, code)
        if error.violation:
            self._journal.violation(provider="rekognition", code=code, detail=error.message, target="")
        return _json({"__type": code, "Message": error.message}, error.status)

    def _log(self, identity: Identity, code: str) -> None:
        self.calls.record(action=ACTION, account=identity.account, region=identity.region, target="", code=code)


def _parse(request: web.Request, body: bytes) -> dict[str, Any]:
    if request.headers.get("X-Amz-Target") != f"RekognitionService.{ACTION}":
        raise AwsError("UnknownOperationException", f"The sandbox knows {ACTION} only", violation=True)
    if request.content_type != "application/x-amz-json-1.1":
        raise AwsError("SerializationException", "Content-Type must be application/x-amz-json-1.1", violation=True)
    try:
        parameters = json.loads(body)
    except ValueError:
        parameters = None
    if not isinstance(parameters, dict):
        raise AwsError("SerializationException", "The body is not a JSON object", violation=True)
    return parameters


def _check_members(parameters: Mapping[str, Any]) -> None:
    image, confidence = parameters.get("Image"), parameters.get("MinConfidence", MIN_CONFIDENCE)
    if parameters.keys() - _MEMBERS:
        raise _invalid(f"unknown member {sorted(parameters.keys() - _MEMBERS)[0]}")
    if not isinstance(image, dict) or len(image) != 1 or image.keys() - {"Bytes", "S3Object"}:
        raise _invalid("Image holds either Bytes or S3Object")
    if not isinstance(confidence, int | float) or not 0 <= confidence <= 100:
        raise _invalid("MinConfidence is between 0 and 100")


def _invalid(reason: str) -> AwsError:
    return AwsError("InvalidParameterException", f"Request has invalid parameters: {reason}", violation=True)


def _from_base64(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except binascii.Error:
        raise AwsError("SerializationException", "Bytes is not base64", violation=True) from None


def _check_picture(picture: bytes) -> None:
    try:
        with Image.open(io.BytesIO(picture), formats=("JPEG", "PNG")) as opened:
            width, height = opened.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise AwsError("InvalidImageFormatException", "Request has invalid image format", violation=True) from None
    if max(width, height) > MAX_SIDE:
        raise AwsError("ImageTooLargeException", "Image size is too large", violation=True)
    if min(width, height) < MIN_SIDE:
        raise _invalid(f"a side is shorter than {MIN_SIDE} pixels")


def _labels_of(picture: bytes) -> list[Label]:
    with Image.open(io.BytesIO(picture), formats=("JPEG", "PNG")) as opened:
        mean = opened.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(mean, tuple)
    clear = all(value < 64 or value >= 192 for value in mean)
    colour = _COLOURS.get("".join("01"[value >= 192] for value in mean), "") if clear else ""
    members = ("Name", "ParentName", "Confidence", "TaxonomyLevel")
    return [dict(zip(members, label, strict=True)) for label in SCRIPT.get(colour, ())]


def _above(labels: Iterable[Label], confidence: float) -> list[Label]:
    return [label for label in labels if label["Confidence"] >= confidence]


def _human_loop(identity: Identity, parameters: Mapping[str, Any], labels: list[Label]) -> dict[str, Any]:
    flow = _FLOW.match(str(parameters.get("FlowDefinitionArn", "")))
    name = str(parameters.get("HumanLoopName", ""))
    if flow is None or not _LOOP_NAME.match(name) or len(name) > 63:
        raise _invalid("HumanLoopConfig")
    if flow[1] != identity.region:
        raise AwsError("ResourceNotFoundException", "The flow definition is in another region")
    if not labels:
        return {"HumanLoopActivationReasons": [], "HumanLoopActivationConditionsEvaluationResults": "{}"}
    arn = f"arn:aws:sagemaker:{identity.region}:{identity.account}:human-loop/{name}"
    return {"HumanLoopArn": arn, "HumanLoopActivationReasons": ["ConditionsEvaluation"]}


def _json(content: Mapping[str, Any], status: int) -> web.Response:
    headers = {"x-amzn-RequestId": secrets.token_hex(16)}
    body = json.dumps(content).encode()
    return web.Response(status=status, body=body, headers=headers, content_type="application/x-amz-json-1.1")
