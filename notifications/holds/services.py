"""What an operator decides about a hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from django.db import connection, transaction

from devices.services import endpoints_disappear, endpoints_trust
from notifications.holds.maintenance import hold_end
from notifications.holds.models import Hold, SuspectOutcome
from notifications.states import HoldKind, HoldOutcome
from notifications.wake import Pool, wake
from pushhub.kernel.errors import ApiError, ErrorCode

CHUNK = 5_000


def hold_release(*, hold: Hold, by: str) -> None:
    """They were fine: what a gone spike had taken for gone is trusted again, and everything held is sent.

    Raises ApiError CONFLICT when it is released already.
    """
    _end(hold=hold, outcome=HoldOutcome.SENT_AGAIN, by=by)


def hold_confirm(*, hold: Hold, by: str) -> None:
    """They are gone: the devices the vendor had said so of are, and their deliveries end. The others are sent.

    Raises ApiError CONFLICT when it is released already, or was about credentials.
    """
    if hold.kind != HoldKind.GONE_SPIKE:
        raise ApiError(ErrorCode.CONFLICT, detail="Its credentials are refused: no device is said to be gone.")
    _end(hold=hold, outcome=HoldOutcome.GONE, by=by)


def _end(*, hold: Hold, outcome: HoldOutcome, by: str) -> None:
    """The devices first, a chunk a transaction: while it lasts, workers that put deliveries away would wait for it.

    A decision that breaks off is made again. What was taken back while it was made comes last: nothing more is, then.
    """
    with _decided_alone(hold):
        if not Hold.objects.filter(tenant=hold.tenant, id=hold.id, released_at=None).exists():
            raise ApiError(ErrorCode.CONFLICT, detail="It has been released already.")
        decided = _devices_decide(hold, outcome)
        with transaction.atomic():
            if not hold_end(hold=hold, outcome=outcome, by=by):
                raise ApiError(ErrorCode.CONFLICT, detail="It has been released already.")
        _devices_decide(hold, outcome, but=decided)
    wake(Pool.DISPATCH)


@contextmanager
def _decided_alone(hold: Hold) -> Iterator[None]:
    """Two operators who decide otherwise at the same time would each have some of the devices."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('notifications.hold'), hashtext(%s))", [str(hold.id)])
        if not cursor.fetchone()[0]:
            raise ApiError(ErrorCode.CONFLICT, detail="Somebody else is deciding about it now.")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtext('notifications.hold'), hashtext(%s))", [str(hold.id)])


def _devices_decide(
    hold: Hold, outcome: HoldOutcome, *, but: frozenset[tuple[int, int]] = frozenset()
) -> frozenset[tuple[int, int]]:
    """All that the hold has taken in, as (device pk, token version). Only what is `suspect` changes: repeatable."""
    if hold.kind != HoldKind.GONE_SPIKE:
        return but
    gone = partial(endpoints_disappear, reason=hold.reason)
    decide = gone if outcome is HoldOutcome.GONE else endpoints_trust
    suspects = SuspectOutcome.objects.filter(tenant=hold.tenant, hold=hold).values_list("device_id", "token_version")
    rows = sorted(set(suspects) - but)
    for start in range(0, len(rows), CHUNK):
        decide(rows=rows[start : start + CHUNK])
    return frozenset(rows)
