"""Rate limits: how many deliveries per second may be claimed, shared by all workers (token buckets).

An SNS app has one account and region, whose Publish quota is AWS's (`devices.provisioning.quota`); a tenant may have a
cap of its own. A lane whose rate limit is used up is not picked until the bucket has tokens again: no delivery is
touched, no attempt is counted, no place in a window is taken.
"""

from dataclasses import dataclass
from typing import Final

from devices.models import App
from devices.provisioning.quota import publish_rate
from notifications.engine import sql
from notifications.engine.session import execute
from notifications.engine.types import PickedLane

PART: Final = 0.1  # of a second's rate_limit is worth a claim: a lane that is short of it comes back so often, no more


@dataclass(frozen=True, slots=True)
class Grant:
    """`tokens` deliveries may be claimed; with fewer than were wanted, more are there in `wait` seconds."""

    tokens: int
    wait: float = 0.0


def lane_rate_limits(lane: PickedLane) -> dict[str, float]:
    """The rate_limits that the lane's deliveries fall under, by name, with their deliveries per second."""
    rate_limits: dict[str, float] = {}
    if lane.app.provider == App.Provider.SNS:
        rate_limits[f"sns {lane.app.account_id} {lane.app.region}"] = publish_rate(region=lane.app.region)
    if lane.cap is not None:
        rate_limits[f"tenant {lane.tenant_id}"] = lane.cap
    return rate_limits


def rate_limits_acquire(rate_limits: dict[str, float], *, wanted: int) -> Grant:
    """Out of every one of them, at once or not at all. One atomic statement; a bucket holds one second's worth."""
    if not rate_limits:
        return Grant(wanted)
    names, rates = list(rate_limits), list(rate_limits.values())
    parameters = {"names": names, "rates": rates, "wanted": wanted, "part": PART}
    while True:
        for tokens, found, wait in execute(sql.RATE_LIMITS_ACQUIRE, parameters):
            if found == len(names):
                return Grant(tokens, wait)
        execute(sql.RATE_LIMITS_ENSURE, {"names": names, "rates": rates})


def rate_limits_release(rate_limits: dict[str, float], *, tokens: int) -> None:
    """What was granted and not sent."""
    if rate_limits and tokens:
        execute(sql.RATE_LIMITS_RELEASE, {"names": list(rate_limits), "tokens": tokens})
