"""What upkeep does for holds every second: restore, expire, probe, release, drain and prune. Safe to run anywhere."""

import logging
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models.functions import Now

from devices.services import endpoints_suspect
from events.services import event_record
from events.types import EventType
from notifications.counts import notifications_reopen
from notifications.engine.session import execute
from notifications.holds import detection, sql
from notifications.holds.models import AcceptedTally, Hold, SuspectOutcome
from notifications.models import Lane
from notifications.reasons import DeliveryReason
from notifications.states import DeliveryState, HoldKind, HoldOutcome, SuspectKind
from notifications.wake import wake
from pushhub.kernel.metrics import Metric, count

logger = logging.getLogger(__name__)

CHUNK: Final = 5_000  # suspects in one transaction
CHUNKS: Final = 10  # of each kind of work, in one run
KEPT: Final = timedelta(days=90)  # for questions about what happened
GONE_KEPT: Final = detection.GONE_WINDOW + detection.DELAY
REFUSED_KEPT: Final = detection.REFUSED_WINDOW + detection.DELAY
TALLIES_KEPT: Final = detection.REFUSED_WINDOW * 2

# Which suspect outcomes a hold restores, and the state in which their deliveries ended.
_RESTORES: Final = {
    HoldKind.CREDENTIALS: (SuspectKind.REFUSED, DeliveryState.REJECTED),
    HoldKind.GONE_SPIKE: (SuspectKind.GONE, DeliveryState.GONE),
}


def holds_maintain() -> None:
    detection.holds_detect()
    try:
        for hold in Hold.objects.filter(drained_at=None).select_related("app", "tenant"):
            _maintain(hold)
    finally:
        execute(sql.SUSPECTS_PRUNE, {"refused": REFUSED_KEPT, "gone": GONE_KEPT})


def _maintain(hold: Hold) -> None:
    if hold.released_at is None:
        _restore(hold)
        _expire(hold)
        if hold.kind == HoldKind.CREDENTIALS and not _resume(hold):
            _probe(hold)
    if hold.released_at is not None:
        _drain(hold)


def holds_prune() -> None:
    """Every few minutes. A success is kept while detection may still compare it with an earlier suspect outcome."""
    oldest = SuspectOutcome.objects.filter(hold=None).order_by("at").values_list("at", flat=True).first()
    old = AcceptedTally.objects.filter(at__lt=Now() - TALLIES_KEPT)
    (old.filter(at__lt=oldest) if oldest else old).delete()
    Hold.objects.filter(drained_at__lt=Now() - KEPT).delete()


def hold_end(*, hold: Hold, outcome: HoldOutcome, by: str = "") -> bool:
    """Release the hold, if it is open; whether it was. In a transaction. Its deliveries go back within seconds."""
    released = Hold.objects.filter(tenant=hold.tenant, id=hold.id, released_at=None).update(
        released_at=Now(), outcome=outcome, released_by=by
    )
    if released:
        event_record(
            tenant=hold.tenant,
            type=EventType.APP_RELEASED,
            subject=str(hold.app_id),
            data={"kind": hold.kind, "push_origin": hold.push_origin, "outcome": outcome},
        )
        count(Metric.HOLDS_RELEASED, reason=outcome)
        logger.warning("held deliveries are released", extra={"app": str(hold.app_id), "outcome": outcome})
    return bool(released)


def _restore(hold: Hold) -> None:
    kind, ended = _RESTORES[HoldKind(hold.kind)]
    for _ in range(CHUNKS):
        with transaction.atomic():
            suspects = execute(
                sql.SUSPECTS_TAKE,
                {
                    "hold": hold.id,
                    "app": hold.app_id,
                    "origin": hold.push_origin,
                    "kind": kind.value,
                    "limit": CHUNK,
                },
            )
            if hold.kind == HoldKind.GONE_SPIKE and suspects:
                endpoints_suspect(rows=sorted((device, version) for _, device, version in suspects), reason=hold.reason)
            ids = sorted((id_ for id_, _, _ in suspects), key=lambda id_: id_.int)
            opened = execute(
                sql.RESTORE,
                {
                    "ids": ids,
                    "origin": hold.push_origin,
                    "state": ended.value,
                    "ended": [ended.value],
                    "reason": DeliveryReason.HELD.value,
                },
            )
            notifications_reopen(ids=[id_ for (id_,) in opened])
        if len(suspects) < CHUNK:
            break


def _expire(hold: Hold) -> None:
    for lane in _lanes(hold):
        for _ in range(CHUNKS):
            if execute(sql.EXPIRE, {"hold_lane": lane.id})[0][0] == 0:
                break


def _resume(hold: Hold) -> bool:
    """Release the hold after the first success; whether there was one."""
    accepted = AcceptedTally.objects.filter(
        tenant=hold.tenant, app=hold.app, push_origin=hold.push_origin, at__gt=hold.since
    )
    if not accepted.exists():
        return False
    with transaction.atomic():
        hold_end(hold=hold, outcome=HoldOutcome.RESUMED)
    hold.refresh_from_db()
    return True


def _probe(hold: Hold) -> None:
    """One delivery at a time, at doubling intervals; at once after the app was changed or verified."""
    if hold.app.version != hold.app_version:
        hold.app_version, hold.probe_at, hold.probe_wait = hold.app.version, Now(), detection.PROBES.base
        hold.save(update_fields=["app_version", "probe_at", "probe_wait"])
        hold.refresh_from_db(fields=["probe_at"])
    if hold.probe_at is None:
        return
    with transaction.atomic():
        mine = Hold.objects.select_for_update(skip_locked=True).filter(
            tenant=hold.tenant, id=hold.id, probe_at=hold.probe_at, probe_at__lte=Now()
        )
        if not mine.exists():
            return
        place = {"tenant": hold.tenant_id, "app": hold.app_id, "origin": hold.push_origin}
        for (delivery_id,) in execute(sql.PROBE, {"hold": hold.id, **place}):
            wait = detection.PROBES.after(hold.probe_wait)
            mine.update(probe_id=delivery_id, probe_at=Now() + timedelta(seconds=hold.probe_wait), probe_wait=wait)
    wake()


def _drain(hold: Hold) -> None:
    moved = 0
    for lane in _lanes(hold):
        own = Lane.objects.filter(
            tenant=lane.tenant_id, app=lane.app_id, delivery_class=lane.delivery_class, push_origin=""
        ).first()
        if own is None:  # no delivery of this class was ever made, so none is held
            continue
        for _ in range(CHUNKS):
            now_moved = execute(sql.DRAIN, {"hold_lane": lane.id, "own": own.id})[0][0]
            moved += now_moved
            if now_moved == 0:
                break
    if moved == 0:
        Hold.objects.filter(tenant=hold.tenant, id=hold.id, drained_at=None).update(drained_at=Now())
    else:
        wake()


def _lanes(hold: Hold) -> list[Lane]:
    return list(Lane.objects.filter(tenant=hold.tenant, app=hold.app, push_origin=hold.push_origin))
