"""Every error the API can answer: a closed list of codes, each with its status and what the caller does about it.

`docs/errors.md` is generated from this enum. No Django here: the providers use it too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    status: int
    title: str
    remedy: str


class ErrorCode(Enum):
    """The `code` of a problem document (RFC 9457). Codes are never reused for another meaning."""

    MALFORMED = ErrorSpec(400, "The request cannot be read", "Send valid JSON in UTF-8 with the documented types.")
    IDEMPOTENCY_KEY_INVALID = ErrorSpec(
        400, "The Idempotency-Key cannot be read", "Send 1 to 255 printable ASCII characters, with or without quotes."
    )
    CURSOR_INVALID = ErrorSpec(400, "The cursor is not one of ours", "Use the `next` of the previous page unchanged.")
    SIGNATURE_INVALID = ErrorSpec(
        400, "The signature does not verify", "Only the vendor's own signed messages are taken here."
    )
    UNAUTHENTICATED = ErrorSpec(
        401,
        "No valid credential",
        "Send `Authorization: Bearer` with a server key or a user token that has not expired.",
    )
    SCOPE_MISSING = ErrorSpec(403, "The key lacks a scope", "Use a key with the scope named in `detail`, or make one.")
    FORBIDDEN = ErrorSpec(403, "Not for this caller", "Use a server key, or ask only for the token's own user.")
    NOT_FOUND = ErrorSpec(404, "No such object", "Check the id; objects of others answer the same.")
    METHOD_NOT_ALLOWED = ErrorSpec(
        405, "The method is not allowed here", "See `Allow` for the methods of this address."
    )
    NOT_ACCEPTABLE = ErrorSpec(406, "No such representation", "Accept application/json.")
    CONFLICT = ErrorSpec(409, "The object changed or is in use", "Read it again and repeat if it still makes sense.")
    IDEMPOTENCY_IN_PROGRESS = ErrorSpec(
        409, "The first request with this Idempotency-Key is still running", "Repeat after `Retry-After` seconds."
    )
    TOO_LARGE = ErrorSpec(413, "The body is too large", "Keep the body under the documented limit; split bulk work.")
    UNSUPPORTED_MEDIA_TYPE = ErrorSpec(
        415, "The media type is not understood", "Send `Content-Type: application/json`."
    )
    INVALID = ErrorSpec(422, "The request is well-formed but wrong", "Mend the fields named in `errors`.")
    IDEMPOTENCY_MISMATCH = ErrorSpec(
        422, "The Idempotency-Key was used with another body", "Use a new key for a new request."
    )
    PAYLOAD_TOO_LARGE = ErrorSpec(
        422,
        "The rendered payload is over the vendor's limit",
        "Shorten the content; `errors` says which platform and by how much.",
    )
    APP_AMBIGUOUS = ErrorSpec(422, "Several apps fit the platform", "Name one in `app`.")
    APP_UNAVAILABLE = ErrorSpec(422, "No app fits", "Create an app for this platform, or mend the one named.")
    SUBSCRIPTION_INVALID = ErrorSpec(
        422, "The push subscription is not usable", "Send PushSubscription.toJSON() unchanged."
    )
    ENDPOINT_REFUSED = ErrorSpec(
        422,
        "The push endpoint's host is not allowed",
        "Add the host to the tenant's allowed push hosts, if it is meant.",
    )
    CREDENTIALS_REFUSED = ErrorSpec(
        422,
        "These credentials may not be used here",
        "Name an ARN, role or parameter of this tenant only; others are for operators.",
    )
    RATE_LIMITED = ErrorSpec(429, "Too many requests", "Wait `Retry-After` seconds.")
    INTERNAL = ErrorSpec(500, "A fault of ours", "Report `request_id` to the operator; the cause is in the log.")
    UNAVAILABLE = ErrorSpec(
        503, "A part of the service is away", "Repeat after `Retry-After` seconds; nothing was stored."
    )

    @property
    def code(self) -> str:
        return self.name.lower()

    @property
    def spec(self) -> ErrorSpec:
        return self.value


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of the body: `pointer` is a JSON Pointer (RFC 6901), "" for the whole document."""

    pointer: str
    detail: str


class ApiError(Exception):
    """Raise to answer a problem document; `retry_after` is in seconds and becomes the `Retry-After` header."""

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
