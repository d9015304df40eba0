"""Device tokens, as every vendor's registrations bring them."""

import re
from collections.abc import Mapping
from typing import Any

from providers.fields import TOKEN
from pushhub.kernel.errors import ApiError, ErrorCode

_TOKEN = re.compile(rf"[!-~]{{1,{TOKEN.max_length}}}")


def token_required(body: Mapping[str, Any]) -> str:
    """The `token` of a registration, unchecked. Raises ApiError INVALID."""
    token: str = body.get("token", "")
    if not token:
        raise token_invalid("This platform brings a `token`.")
    return token


def token_check(token: str) -> str:
    """The token, if it is printable ASCII. Raises ApiError INVALID."""
    if not _TOKEN.fullmatch(token):
        raise token_invalid(f"A token is 1 to {TOKEN.max_length} printable ASCII characters.")
    return token


def token_invalid(detail: str) -> ApiError:
    return ApiError(ErrorCode.INVALID, detail=detail, pointer="/token")
