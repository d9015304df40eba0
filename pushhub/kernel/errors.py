"""All errors of the API: a closed list of codes. Each code has a status, a title and a remedy for the caller.

`docs/errors.md` is generated from this enum. This module does not import Django, because the providers use it too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

MAX_ERRORS = 20  # of one problem document


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    status: int
    title: str
    remedy: str


class ErrorCode(Enum):
    """The `code` of a problem document (RFC 9457). A code never changes its meaning."""

    MALFORMED = ErrorSpec(400, "The request cannot be read", "Send valid JSON in UTF-8 with the documented types.")
    IDEMPOTENCY_KEY_INVALID = ErrorSpec(
        400, "The Idempotency-Key cannot be read", "Send 1 to 255 printable ASCII characters, with or without quotes."
    )
    CURSOR_INVALID = ErrorSpec(400, "The cursor is not valid", "Send the `next` of the previous page unchanged.")
    SIGNATURE_INVALID = ErrorSpec(
        400, "The signature is not valid", "This address accepts only messages that are signed by the vendor."
    )
    UNAUTHENTICATED = ErrorSpec(
        401,
        "No valid credential",
        "Send `Authorization: Bearer` with a server key or a user token that has not expired.",
    )
    SCOPE_MISSING = ErrorSpec(
        403, "The key does not have the required scope", "Use a key with the scope that `detail` names."
    )
    FORBIDDEN = ErrorSpec(
        403, "The caller may not do this", "Use a server key. A user token gives access to its own user only."
    )
    NOT_FOUND = ErrorSpec(
        404, "The object does not exist", "Check the id. An object of another tenant or user gives the same response."
    )
    METHOD_NOT_ALLOWED = ErrorSpec(
        405, "The method is not allowed here", "The `Allow` header lists the methods of this address."
    )
    NOT_ACCEPTABLE = ErrorSpec(406, "The accepted media types are not available", "Send `Accept: application/json`.")
    REQUEST_TIMEOUT = ErrorSpec(
        408, "The body arrived too slowly", "Send the request again, over a faster connection or with a smaller body."
    )
    CONFLICT = ErrorSpec(
        409, "The object was changed or is in use", "Read the object again, then decide whether to repeat the request."
    )
    IDEMPOTENCY_IN_PROGRESS = ErrorSpec(
        409, "The first request with this Idempotency-Key is still running", "Repeat after `Retry-After` seconds."
    )
    TOO_LARGE = ErrorSpec(413, "The body is too large", "Stay below the documented limit. Split bulk requests.")
    UNSUPPORTED_MEDIA_TYPE = ErrorSpec(415, "The media type is not supported", "Send `Content-Type: application/json`.")
    INVALID = ErrorSpec(422, "The request has invalid values", "Correct the fields that `errors` lists.")
    IDEMPOTENCY_MISMATCH = ErrorSpec(
        422, "The Idempotency-Key was already used with another body", "Use a new key for a new request."
    )
    PAYLOAD_TOO_LARGE = ErrorSpec(
        422,
        "The rendered payload is larger than the vendor's limit",
        "Shorten the content. `errors` names the platform and the number of bytes above the limit.",
    )
    APP_AMBIGUOUS = ErrorSpec(422, "Several apps match the platform", "Name one of the apps in `app`.")
    APP_UNAVAILABLE = ErrorSpec(
        422, "No app is available for the platform", "Create an app for this platform, or correct the app in `app`."
    )
    SUBSCRIPTION_INVALID = ErrorSpec(
        422, "The push subscription cannot be used", "Send PushSubscription.toJSON() unchanged."
    )
    ENDPOINT_REFUSED = ErrorSpec(
        422,
        "The push endpoint's host is not allowed",
        "If the host is a push service that you trust, add it to the tenant's allowed push hosts.",
    )
    LINK_REFUSED = ErrorSpec(
        422,
        "The link's scheme is not allowed",
        "Use https. For a link into your own app, ask an operator to register the app's scheme for the tenant.",
    )
    CREDENTIALS_REFUSED = ErrorSpec(
        422,
        "These credentials may not be used here",
        "Use an ARN, a role or a parameter of this tenant. Only operators may use others.",
    )
    RATE_LIMITED = ErrorSpec(429, "Too many requests", "Wait `Retry-After` seconds.")
    INTERNAL = ErrorSpec(
        500, "An internal error occurred", "Report `request_id` to the operator. The log contains the cause."
    )
    UNAVAILABLE = ErrorSpec(
        503, "A part of the service is unavailable", "Repeat after `Retry-After` seconds. Nothing was stored."
    )

    @property
    def code(self) -> str:
        return self.name.lower()

    @property
    def spec(self) -> ErrorSpec:
        return self.value


@dataclass(frozen=True, slots=True)
class FieldError:
    """One error in the body. `pointer` is a JSON Pointer (RFC 6901); "" means the whole document."""

    pointer: str
    detail: str


class ApiError(Exception):
    """Becomes a problem document as the response. `retry_after` (seconds) becomes the `Retry-After` header."""

    def __init__(
        self,
        code: ErrorCode,
        *,
        detail: str = "",
        pointer: str | None = None,
        errors: Sequence[FieldError] = (),
        retry_after: float | None = None,
    ) -> None:
        self.code = code
        self.detail = detail or code.spec.title
        self.errors = list(errors) or ([FieldError(pointer, self.detail)] if pointer is not None else [])
        self.retry_after = retry_after
        super().__init__(f"{code.code}: {self.detail}")
