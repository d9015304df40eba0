"""Rate limits of requests: one token bucket for all server keys of a tenant, and one for each of its users, in Valkey.

A bucket contains the requests of one minute and refills evenly (GCRA: one number per bucket, the time at which it would
be full again). The script runs atomically in Valkey and uses Valkey's clock, so the limit is exact for any number of
web processes. If Valkey is unavailable, requests pass and a metric counts them: a limit keeps tenants fair to each
other, and must not stop the service.
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
LIMIT_MAX = 6_000_000  # the script counts in whole microseconds
SOCKET_TIMEOUT_SECONDS = 1.0
PAUSE_SECONDS = 5.0

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
    """The state of a bucket after a request. Times are in seconds."""

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


class OutagePause:
    """After a failure Valkey is not called for some seconds: a Valkey that hangs delays one request in that time, not
    every request."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends_at = 0.0

    @property
    def is_active(self) -> bool:
        return time.monotonic() < self._ends_at

    def start(self) -> None:
        self._ends_at = time.monotonic() + self._seconds

    def end(self) -> None:
        self._ends_at = 0.0


outage_pause = OutagePause(PAUSE_SECONDS)


class TenantThrottle(BaseThrottle):
    """Stores the state of the bucket in the request, for RateLimitMiddleware. Raises ApiError RATE_LIMITED."""

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
    """Takes one token from the bucket. None if Valkey does not respond: then the request passes."""
    if outage_pause.is_active:
        count(Metric.THROTTLE_FAIL_OPEN)
        return None
    try:
        passed, remaining, full, wait = take_script()(keys=[bucket], args=[limit, WINDOW_SECONDS * 1_000_000])
    except redis.RedisError as error:
        outage_pause.start()
        count(Metric.THROTTLE_FAIL_OPEN)
        logger.warning("rate limits are off: Valkey does not respond", extra={"error": type(error).__name__})
        return None
    return RateState(limit, bool(passed), remaining, math.ceil(full / 1_000_000), wait / 1_000_000)


def _bucket(caller: Caller) -> tuple[str, int]:
    """The name and the limit of the caller's bucket. The server keys of a tenant share one, so that more keys do not
    allow more requests. Each user has a separate one."""
    limits = caller.tenant.rate_limits if isinstance(caller.tenant.rate_limits, dict) else {}
    if caller.is_server:
        return f"rate:{caller.tenant.pk}:server", _limit(limits, "server", settings.PUSHHUB_RATE_LIMIT_PER_MINUTE)
    return f"rate:{caller.tenant.pk}:{caller.label}", _limit(limits, "user", USER_PER_MINUTE)


def _limit(limits: dict[str, Any], name: str, default: int) -> int:
    """The tenant's limit if it is valid, otherwise the default: a typo in the admin must not lock the tenant out."""
    value = limits.get(name)
    return value if type(value) is int and 0 < value <= LIMIT_MAX else default


@lru_cache(maxsize=1)
def take_script() -> Any:
    """Created on first use, after the fork. One immediate retry, for connections that a restart of Valkey closed."""
    client = redis.Redis.from_url(
        settings.CACHE_URL,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )
    return client.register_script(TAKE)
