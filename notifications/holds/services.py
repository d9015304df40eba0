"""What an operator decides about a hold."""

from collections.abc import Callable
from functools import partial

from django.db import transaction

from devices.services import endpoints_disappear, endpoints_trust
from notifications.holds.keeping import hold_end
from notifications.holds.models import Doubt, Hold, HoldKind, HoldOutcome
from notifications.wake import Pool, wake
from pushhub.errors import ApiError, ErrorCode

CHUNK = 5_000


def hold_release(*, hold: Hold, by: str) -> None:
    """They were fine: what a storm had taken for gone is trusted again, and everything held is sent.

    Raises ApiError CONFLICT when it is released already.
    """
    _end(hold=hold, outcome=HoldOutcome.SENT_AGAIN, by=by)


def hold_confirm(*, hold: Hold, by: str) -> None:
    """They are gone: the devices the vendor had said so of are, and their deliveries end. The others are sent.

    Raises ApiError CONFLICT when it is released already, or was about credentials.
    """
    if hold.kind != HoldKind.STORM:
        raise ApiError(ErrorCode.CONFLICT, detail="Its credentials are refused: no device is said to be gone.")
    _end(hold=hold, outcome=HoldOutcome.GONE, by=by)


def _end(*, hold: Hold, outcome: HoldOutcome, by: str) -> None:
    with transaction.atomic():
        if not hold_end(hold=hold, outcome=outcome, by=by):
            raise ApiError(ErrorCode.CONFLICT, detail="It has been released already.")
        if hold.kind == HoldKind.STORM:
            gone = partial(endpoints_disappear, reason=hold.reason)
            decide: Callable[..., int] = gone if outcome is HoldOutcome.GONE else endpoints_trust
            doubts = Doubt.objects.filter(tenant=hold.tenant, hold=hold).order_by("device_id")
            rows = list(doubts.values_list("device_id", "token_version"))
            for start in range(0, len(rows), CHUNK):
                decide(rows=rows[start : start + CHUNK])
        wake(Pool.DISPATCH)
