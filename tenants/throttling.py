"""Rate limits: one token bucket per (tenant, server keys) and per (tenant, user), counted atomically in Valkey.

A bucket holds one minute's worth and refills evenly (GCRA: one number per bucket, the time at which it would be full
again). The script runs whole inside Valkey and takes Valkey's clock, so that however many web processes ask, exactly as
many pass as fit. With Valkey away requests pass, with a metric: a limit is a courtesy among tenants, not a reason to be
down.
"""

import logging
import math
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from typing_extensions import override

from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.metrics import Metric, count
from tenants.callers import Caller

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 60
USER_PER_MINUTE = 600
LIMIT_MAX = 6_000_000  # the script counts in whole µs
SOCKET_TIMEOUT_SECONDS = 1.0
BREAKER_SECONDS = 5.0

# KEYS[1] bucket, ARGV[1] limit per window, ARGV[2] window in µs → {passed, remaining, µs to full, µs to the next}.
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local window = tonumber(ARGV[2])
local interval = math.floor(window / tonumber(ARGV[1]))
local used = math.max(tonumber(redis.call('GET', KEYS[1]) or now) - now, 0)
if used + interval > window then
  return {0, 0, used, used + interval - window}
end
used = used + interval
redis.call('SET', KEYS[1], string.format('%.0f', now + used), 'PX', math.ceil(used / 1000))
return {1, math.floor((window - used) / interval), used, 0}
"""


@dataclass(frozen=True, slots=True)
class RateState:
    """A bucket after one request; times in seconds."""

    limit: int
    passed: bool
    remaining: int
    reset: int
    retry_after: float

    @property
    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }


class Breaker:
    """After a failure, do not ask for a while: a Valkey that hangs costs one timeout, not one per request."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._closed_at = 0.0

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._closed_at

    def trip(self) -> None:
        self._closed_at = time.monotonic() + self._seconds

    def reset(self) -> None:
        self._closed_at = 0.0


breaker = Breaker(BREAKER_SECONDS)


class TenantThrottle(BaseThrottle):
    """Leaves the bucket on the request for RateLimitMiddleware; over the limit raises ApiError RATE_LIMITED."""

    @override
    def allow_request(self, request: Request, view: Any) -> bool:
        if not isinstance(request.user, Caller):
            return True
        state = rate_take(*_bucket(request.user))
        if state is None:
            return True
        request._request.rate_state = state
        if not state.passed:
            count(Metric.THROTTLED)
            raise ApiError(ErrorCode.RATE_LIMITED, retry_after=state.retry_after)
        return True


def rate_take(bucket: str, limit: int) -> RateState | None:
    """Take one token of the bucket; None when Valkey does not answer, which lets the request pass."""
    if breaker.is_open:
        count(Metric.THROTTLE_FAIL_OPEN)
        return None
    try:
        passed, remaining, full, wait = _script()(keys=[bucket], args=[limit, WINDOW_SECONDS * 1_000_000])
    except redis.RedisError as error:
        breaker.trip()
        count(Metric.THROTTLE_FAIL_OPEN)
        logger.warning("rate limits are off: Valkey does not answer", extra={"error": type(error).__name__})
        return None
    return RateState(limit, bool(passed), remaining, math.ceil(full / 1_000_000), wait / 1_000_000)


def _bucket(caller: Caller) -> tuple[str, int]:
    """Server keys of a tenant share a bucket, so that more keys are not more quota; each user has one of their own."""
    limits = caller.tenant.rate_limits if isinstance(caller.tenant.rate_limits, dict) else {}
    if caller.is_server:
        return f"rate:{caller.tenant.pk}:server", _limit(limits, "server", settings.PUSHHUB_RATE_LIMIT_PER_MINUTE)
    return f"rate:{caller.tenant.pk}:{caller.label}", _limit(limits, "user", USER_PER_MINUTE)


def _limit(limits: dict[str, Any], name: str, default: int) -> int:
    """A tenant's own limit if it is a number that makes sense: a typo in the admin must not lock the tenant out."""
    value = limits.get(name)
    return value if type(value) is int and 0 < value <= LIMIT_MAX else default


@lru_cache(maxsize=1)
def _script() -> Any:
    """Made on first use, after the fork. One immediate retry, for connections that died with a restarted Valkey."""
    client = redis.Redis.from_url(
        settings.CACHE_URL,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )
    return client.register_script(TAKE)
