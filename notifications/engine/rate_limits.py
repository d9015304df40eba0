"""Budgets: how many deliveries per second may be claimed, shared by all workers. Spent when a lane's turn comes.

An SNS app has one account and region, whose Publish quota is AWS's (`devices.provisioning.quota`); a tenant may have a cap of its
own.
A lane whose budget is used up is not picked until there is something in it again: no delivery is touched, no attempt
counted, and no place in a window held.
"""

from dataclasses import dataclass
from typing import Final

from devices.models import App
from devices.provisioning.quota import publish_rate
from notifications.engine import sql
from notifications.engine.lanes import PickedLane
from notifications.engine.session import execute

PART: Final = 0.1  # of a second's budget is worth a claim: a lane that is short of it comes back so often, no more


@dataclass(frozen=True, slots=True)
class Grant:
    """`tokens` deliveries may be claimed; with fewer than were wanted, more are there in `wait` seconds."""

    tokens: int
    wait: float = 0.0


def lane_budgets(lane: PickedLane) -> dict[str, float]:
    """The budgets that the lane's deliveries fall under, by name, with their deliveries per second."""
    budgets: dict[str, float] = {}
    if lane.app.provider == App.Provider.SNS:
        budgets[f"sns {lane.app.account_id} {lane.app.region}"] = publish_rate(region=lane.app.region)
    if lane.cap is not None:
        budgets[f"tenant {lane.tenant_id}"] = lane.cap
    return budgets


def budgets_spend(budgets: dict[str, float], *, wanted: int) -> Grant:
    """Out of every one of them, at once or not at all. One atomic statement; a bucket holds one second's worth."""
    if not budgets:
        return Grant(wanted)
    names, rates = list(budgets), list(budgets.values())
    parameters = {"names": names, "rates": rates, "wanted": wanted, "part": PART}
    while True:
        for tokens, found, wait in execute(sql.BUDGETS_SPEND, parameters):
            if found == len(names):
                return Grant(tokens, wait)
        execute(sql.BUDGETS_ENSURE, {"names": names, "rates": rates})


def budgets_return(budgets: dict[str, float], *, tokens: int) -> None:
    """What was granted and not sent."""
    if budgets and tokens:
        execute(sql.BUDGETS_RETURN, {"names": list(budgets), "tokens": tokens})
