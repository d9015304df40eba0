"""What SNS's error codes mean for a push. A test holds DOCUMENTED equal to the error shapes in botocore's own model."""

from collections.abc import Mapping

from providers.errors import Rule
from providers.types import Outcome

_GONE = Rule(Outcome.ENDPOINT_GONE, "the endpoint is disabled or deleted")
_BAD = Rule(Outcome.REJECTED, "SNS does not accept this message")
_LARGE = Rule(Outcome.REJECTED, "the message is too large for the platform behind SNS")
_AUTH = Rule(Outcome.MISCONFIGURED, "AWS does not accept our credentials, or they lack a permission")
_APP = Rule(Outcome.MISCONFIGURED, "the platform application is disabled or missing: its own credentials need repair")
_KMS = Rule(Outcome.MISCONFIGURED, "the KMS key that encrypts the application's data cannot be used")
_CLOCK = Rule(Outcome.MISCONFIGURED, "this server's clock is off by minutes, so AWS refuses its signatures")
_BUSY = Rule(Outcome.RETRY, "AWS asks us to slow down")
_DOWN = Rule(Outcome.RETRY, "AWS is in trouble")
_UNKNOWN = Rule(Outcome.RETRY, "an answer we do not know; tried again, since that harms least")

DOCUMENTED: Mapping[str, Rule] = {
    "AuthorizationError": _AUTH,
    "EndpointDisabled": _GONE,
    "InternalError": _DOWN,
    "InvalidParameter": _BAD,
    "InvalidSecurity": _AUTH,
    "KMSAccessDenied": _KMS,
    "KMSDisabled": _KMS,
    "KMSInvalidState": _KMS,
    "KMSNotFound": _KMS,
    "KMSOptInRequired": _KMS,
    "KMSThrottling": _BUSY,
    "NotFound": _GONE,
    "ParameterValueInvalid": _BAD,
    "PlatformApplicationDisabled": _APP,
    "ValidationException": _BAD,
}

# Seen on the wire, or common to all AWS services; in no error shape of Publish.
OBSERVED: Mapping[str, Rule] = {
    "AccessDenied": _AUTH,
    "AccessDeniedException": _AUTH,
    "ExpiredToken": _AUTH,
    "ExpiredTokenException": _AUTH,
    "IncompleteSignature": _AUTH,
    "InvalidAccessKeyId": _AUTH,
    "InvalidClientTokenId": _AUTH,
    "InvalidSignatureException": _AUTH,
    "MissingAuthenticationToken": _AUTH,
    "NotAuthorized": _AUTH,
    "OptInRequired": _AUTH,
    "SignatureDoesNotMatch": _AUTH,
    "UnrecognizedClientException": _AUTH,
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "RequestLimitExceeded": _BUSY,
    "RequestThrottled": _BUSY,
    "RequestThrottledException": _BUSY,
    "Throttled": _BUSY,
    "ThrottledException": _BUSY,
    "Throttling": _BUSY,
    "ThrottlingException": _BUSY,
    "TooManyRequestsException": _BUSY,
    "InternalFailure": _DOWN,
    "InternalServerError": _DOWN,
    "RequestTimeout": _DOWN,
    "RequestTimeoutException": _DOWN,
    "ServiceUnavailable": _DOWN,
    "ServiceUnavailableException": _DOWN,
}

CLASSIFICATION: Mapping[str, Rule] = {**DOCUMENTED, **OBSERVED}

# InvalidParameter says many things; these parts of its message tell them apart.
BY_MESSAGE: tuple[tuple[str, str, Rule], ...] = (
    ("InvalidParameter", "No endpoint found for the target arn", _GONE),
    ("InvalidParameter", "Message size is larger than supported", _LARGE),
    ("InvalidParameter", "Message too long", _LARGE),
    ("InvalidParameter", "Invalid parameter: PlatformApplicationArn", _APP),
    ("InvalidParameter", "PlatformApplication does not exist", _APP),
)


def classify(code: str, message: str) -> Rule:
    """Total: a code nobody has seen is retried, and its word kept by the caller."""
    for known, part, rule in BY_MESSAGE:
        if code == known and part in message:
            return rule
    return CLASSIFICATION.get(code, _UNKNOWN)
