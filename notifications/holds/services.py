"""The decisions of an operator about a hold."""

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
    """The devices are available: those of a gone spike are trusted again, and all held deliveries are sent.

    Raises ApiError CONFLICT if the hold is already released.
    """
    _end(hold=hold, outcome=HoldOutcome.SENT_AGAIN, by=by)


def hold_confirm(*, hold: Hold, by: str) -> None:
    """The devices that the vendor reported as gone are gone, and their deliveries end. The other deliveries are sent.

    Raises ApiError CONFLICT if the hold is already released, or is about credentials.
    """
    if hold.kind != HoldKind.GONE_SPIKE:
        raise ApiError(
            ErrorCode.CONFLICT, detail="The hold is about refused credentials: no device is reported as gone."
        )
    _end(hold=hold, outcome=HoldOutcome.GONE, by=by)


def _end(*, hold: Hold, outcome: HoldOutcome, by: str) -> None:
    """The devices first, one chunk in each transaction: workers that divert deliveries wait for the transaction.

    A decision that is interrupted can be repeated. Devices that the hold took in meanwhile come last: a released hold
    takes in no more.
    """
    with _decision_lock(hold):
        if not Hold.objects.filter(tenant=hold.tenant, id=hold.id, released_at=None).exists():
            raise ApiError(ErrorCode.CONFLICT, detail="The hold is already released.")
        decided = _devices_decide(hold, outcome)
        with transaction.atomic():
            if not hold_end(hold=hold, outcome=outcome, by=by):
                raise ApiError(ErrorCode.CONFLICT, detail="The hold is already released.")
        _devices_decide(hold, outcome, except_for=decided)
    wake(Pool.DISPATCH)


@contextmanager
def _decision_lock(hold: Hold) -> Iterator[None]:
    """Two operators with different decisions at the same time would each decide about some of the devices."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('notifications.hold'), hashtext(%s))", [str(hold.id)])
        if not cursor.fetchone()[0]:
            raise ApiError(ErrorCode.CONFLICT, detail="Another operator is deciding about this hold now.")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtext('notifications.hold'), hashtext(%s))", [str(hold.id)])


def _devices_decide(
    hold: Hold, outcome: HoldOutcome, *, except_for: frozenset[tuple[int, int]] = frozenset()
) -> frozenset[tuple[int, int]]:
    """Decide about all devices that the hold has taken in; their (device pk, token version).

    Only devices in state `suspect` change, so repeating is safe.
    """
    if hold.kind != HoldKind.GONE_SPIKE:
        return except_for
    gone = partial(endpoints_disappear, reason=hold.reason)
    decide = gone if outcome is HoldOutcome.GONE else endpoints_trust
    suspects = SuspectOutcome.objects.filter(tenant=hold.tenant, hold=hold).values_list("device_id", "token_version")
    rows = sorted(set(suspects) - except_for)
    for start in range(0, len(rows), CHUNK):
        decide(rows=rows[start : start + CHUNK])
    return frozenset(rows)
