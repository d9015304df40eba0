"""Rate limits: how many deliveries per second may be claimed, shared by all workers (token buckets).

A vendor may limit what it takes of one account (`Provider.rate_limit`: for SNS, AWS's Publish quota of the account and
region); a tenant may have a cap of its own. A lane whose rate limit is used up is not picked until the bucket has
tokens again: no delivery is touched, no attempt is counted, no place in a window is taken.
"""

from typing import Final

from notifications.engine.session import execute
from notifications.engine.types import PickedLane
from pushhub.kernel.token_bucket import Grant, Key, TokenBuckets

_BUCKETS: Final = TokenBuckets("notifications_ratelimit", key=("name",), run=execute)


def lane_rate_limits(lane: PickedLane) -> dict[str, float]:
    """The rate limits of the lane's deliveries by name, each in deliveries per second."""
    rate_limits: dict[str, float] = {}
    vendor_limit = lane.app.provider.rate_limit(account_id=lane.app.account_id, region=lane.app.region)
    if vendor_limit is not None:
        rate_limits[vendor_limit.name] = vendor_limit.per_second
    if lane.cap is not None:
        rate_limits[f"tenant {lane.tenant_id}"] = lane.cap
    return rate_limits


def rate_limits_acquire(rate_limits: dict[str, float], *, wanted: int) -> Grant:
    """How many deliveries may be claimed: out of every one of the buckets at once, or not at all. One statement."""
    return _BUCKETS.acquire(_keys(rate_limits), wanted=wanted) if rate_limits else Grant(wanted)


def rate_limits_release(rate_limits: dict[str, float], *, tokens: int) -> None:
    """Return what was granted and not sent."""
    if rate_limits and tokens:
        _BUCKETS.release(_keys(rate_limits), tokens=tokens)


def _keys(rate_limits: dict[str, float]) -> dict[Key, float]:
    return {(name,): rate for name, rate in rate_limits.items()}
