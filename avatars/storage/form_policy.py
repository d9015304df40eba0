"""S3's POST policy, for the local store: the same document, fields and rules (AWS: "Creating a POST policy").

The signature is HMAC-SHA256 over the base64 policy under a key of this installation instead of SigV4's derived one.
"""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pushhub.kernel.crypto import keyed_hash
from pushhub.kernel.purposes import Purpose

ALGORITHM = "AWS4-HMAC-SHA256"
# Every other field of the form must have a condition.
FREE_FIELDS = frozenset({"policy", "x-amz-signature", "file"})


class FormRefused(Exception):
    """`code` and `status` are S3's; the text says which check failed."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Admitted:
    """What the signed policy lets this form write."""

    key: str
    min_bytes: int
    max_bytes: int


def form_sign(*, bucket: str, key: str, content_type: str, max_bytes: int, expires_at: datetime) -> dict[str, str]:
    """The form's fields."""
    now = datetime.now(UTC)
    fields = {
        "key": key,
        "Content-Type": content_type,
        "x-amz-algorithm": ALGORITHM,
        "x-amz-credential": f"pushhub/{now:%Y%m%d}/local/s3/aws4_request",
        "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}",
    }
    document = {
        "expiration": f"{expires_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        "conditions": [
            {"bucket": bucket},
            *({name: value} for name, value in fields.items()),
            ["content-length-range", 1, max_bytes],
        ],
    }
    policy = base64.b64encode(json.dumps(document).encode()).decode()
    return fields | {"policy": policy, "x-amz-signature": _signature(policy)}


def form_admit(fields: Mapping[str, str], *, bucket: str, now: datetime) -> Admitted:
    """What the form may write, once signature, expiry and every condition hold. Raises FormRefused."""
    given = {name.lower(): value for name, value in fields.items()}
    policy = given.get("policy", "")
    if not policy or not hmac.compare_digest(_signature(policy).encode(), given.get("x-amz-signature", "").encode()):
        raise FormRefused(403, "SignatureDoesNotMatch", "The signature does not match the policy.")
    document = json.loads(base64.b64decode(policy))
    if now >= datetime.fromisoformat(document["expiration"]):
        raise FormRefused(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
    return _conditions_check(document["conditions"], given | {"bucket": bucket})


def _conditions_check(conditions: list[Any], given: dict[str, str]) -> Admitted:
    lowest, highest = 0, 0
    covered = {"bucket"}
    for condition in conditions:
        if isinstance(condition, list):
            _, lowest, highest = condition
            continue
        ((name, value),) = condition.items()
        covered.add(name.lower())
        if given.get(name.lower()) != value:
            raise FormRefused(403, "AccessDenied", f"Invalid according to Policy: Policy Condition failed: {name}.")
    extra = {name for name in given if not name.startswith("x-ignore-")} - covered - FREE_FIELDS
    if extra:
        raise FormRefused(403, "AccessDenied", "Invalid according to Policy: Extra input fields.")
    return Admitted(given["key"], lowest, highest)


def _signature(policy: str) -> str:
    return keyed_hash(policy.encode("utf-8", "replace"), purpose=Purpose.UPLOAD_POLICY).hex()
