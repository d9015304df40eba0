"""What SNS's error codes mean for a push, and what they say to readers.

A test compares DOCUMENTED with the error shapes in botocore's own model.
"""

from collections.abc import Mapping

from providers.errors import Codes, Rule, codes_collect
from providers.types import Outcome

_VERIFY = "Repair the credentials or permissions of the app, then verify the app."

_GONE = Rule(Outcome.ENDPOINT_GONE, "the endpoint is disabled or deleted")
_BAD = Rule(Outcome.REJECTED, "it does not accept this message", "Check the content and the overrides.")
_LARGE = Rule(Outcome.REJECTED, "the message is too large for the platform behind SNS", "Shorten the content.")
_AUTH = Rule(Outcome.MISCONFIGURED, "it does not accept the app's AWS credentials, or they lack a permission", _VERIFY)
_APP = Rule(
    Outcome.MISCONFIGURED,
    "the platform application is disabled or missing",
    "Repair the platform application's own credentials at AWS, then verify the app.",
)
_KMS = Rule(
    Outcome.MISCONFIGURED,
    "the KMS key that encrypts the platform application's data cannot be used",
    "Repair the KMS key or its policy at AWS, then verify the app.",
)
_CLOCK = Rule(
    Outcome.MISCONFIGURED,
    "the clock of the worker differs from AWS's by minutes, so AWS refuses the signature",
    "An operator sets the clock of the workers, then verifies the app.",
)
_BUSY = Rule(Outcome.RETRY, "it asks for fewer requests per second", "If it lasts, ask AWS for a higher quota.")
_DOWN = Rule(
    Outcome.RETRY, "it has an internal problem", "Usually temporary. If it lasts, see the AWS Health Dashboard."
)
_UNKNOWN = Rule(Outcome.RETRY, "it gave no error code that pushhub knows")

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

# InvalidParameter has several meanings. These parts of its message distinguish them.
BY_MESSAGE: tuple[tuple[str, str, Rule], ...] = (
    ("InvalidParameter", "No endpoint found for the target arn", _GONE),
    ("InvalidParameter", "Message size is larger than supported", _LARGE),
    ("InvalidParameter", "Message too long", _LARGE),
    ("InvalidParameter", "Invalid parameter: PlatformApplicationArn", _APP),
    ("InvalidParameter", "PlatformApplication does not exist", _APP),
)


# FailureType of a DeliveryFailure event, with which SNS reports later that a message did not arrive (SNS Developer
# Guide, FCM error mapping).
FAILURE_TYPES: Mapping[str, Rule] = {
    "InvalidPlatformToken": Rule(
        Outcome.ENDPOINT_GONE,
        "Apple or Google no longer knows the device token",
        "Nothing to do: the device is reached again when its app registers again.",
    ),
    "EndpointDisabled": _GONE,
    "InvalidNotification": Rule(
        Outcome.REJECTED, "Apple or Google does not accept this message", "Check the content and the overrides."
    ),
    "InvalidCredentials": Rule(
        Outcome.MISCONFIGURED,
        "Apple or Google does not accept the platform application's credentials",
        "Repair the platform application's own credentials at AWS, then verify the app.",
    ),
    "PlatformApplicationDisabled": _APP,
    "DependencyUnavailable": Rule(Outcome.RETRY, "Apple or Google could not be reached"),
    "Throttled": Rule(Outcome.RETRY, "Apple or Google asked SNS for fewer requests"),
    "UnexpectedFailure": Rule(Outcome.RETRY, "an unexpected failure"),
    "DeliveryFailure": Rule(Outcome.RETRY, "a failure of no known type"),  # an event without a FailureType
}

# Codes of pushhub's own, for what AWS is not asked at all.
_UNSENT: Mapping[str, Rule] = {
    "PlatformUnsupported": Rule(
        Outcome.REJECTED,
        "pushhub writes no messages for this SNS platform",
        "Use a platform application for APNs, FCM or ADM.",
        answered=False,
    ),
    "CredentialsMissing": Rule(Outcome.MISCONFIGURED, "the app has no AWS credentials", _VERIFY, answered=False),
    "NoCredentials": Rule(
        Outcome.MISCONFIGURED,
        "the server has no AWS identity of its own",
        "An operator gives the workers an AWS identity, or the app gets credentials of its own.",
        answered=False,
    ),
}


CODES: Codes = codes_collect(
    [
        *CLASSIFICATION.items(),
        *((code, rule) for code, _, rule in BY_MESSAGE),
        *FAILURE_TYPES.items(),
        *_UNSENT.items(),
        *((f"http {hundred}xx", _UNKNOWN) for hundred in "1345"),
    ]
)


def classify(code: str, message: str) -> Rule:
    """Total: a code in no table is retried, and the caller keeps it."""
    for known, part, rule in BY_MESSAGE:
        if code == known and part in message:
            return rule
    return CLASSIFICATION.get(code, _UNKNOWN)
