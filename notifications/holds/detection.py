"""Detection: whether suspect outcomes are too many to be believed. Upkeep runs it once a second.

The delay costs nothing, because deliveries that end meanwhile are restored when a hold opens. It gives every worker the
time to record its successes.
"""

import json
import logging
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from devices.models import App
from events.services import event_record
from events.types import EventType
from notifications.engine.session import execute
from notifications.holds import sql
from notifications.holds.models import Hold
from notifications.states import HoldKind
from pushhub.kernel.backoff import Backoff
from pushhub.kernel.metrics import Metric, count

logger = logging.getLogger(__name__)

DELAY: Final = timedelta(seconds=3)  # from the first suspect outcome to a hold, at least
REFUSED_DEVICES: Final = 20  # distinct devices of an (app, origin) without a success since: the credential is refused
REFUSED_WINDOW: Final = timedelta(minutes=10)
# A gone spike: within GONE_WINDOW the vendor reports at least GONE_DEVICES devices of an (app, origin) as gone, and
# these are at least GONE_SHARE of its outcomes. Then the vendor or pushhub is wrong, not the devices.
GONE_WINDOW: Final = timedelta(seconds=60)
GONE_DEVICES: Final = 100
GONE_SHARE: Final = 0.8
GONE_IN_A_ROW: Final = 1_000  # also a gone spike: so many devices without a success in between, over at least DELAY
GONE_BELIEVED: Final = timedelta(hours=1)  # after an operator has confirmed that devices are gone
PROBES: Final = Backoff(base=2.0, cap=120.0)  # until the first probe; doubled with every probe
RELAPSE: Final = timedelta(minutes=10)  # a hold so soon after the last one continues with its wait between probes


def holds_detect() -> None:
    refused = {"devices": REFUSED_DEVICES, "delay": DELAY}
    for row in execute(sql.REFUSED, refused):
        _open(HoldKind.CREDENTIALS, *row)
    gone = {"delay": DELAY, "believed": GONE_BELIEVED}
    most = execute(sql.GONE, gone | {"window": GONE_WINDOW, "devices": GONE_DEVICES, "share": GONE_SHARE})
    in_a_row = execute(sql.GONE_IN_A_ROW, gone | {"devices": GONE_IN_A_ROW})
    for row in most + in_a_row:
        _open(HoldKind.GONE_SPIKE, *row)


def _open(kind: HoldKind, tenant_id: UUID, app_id: UUID, origin: str, reason: str, evidence: str) -> None:
    """Open a hold and report it to operators and tenant. If another process has just opened it, nothing happens."""
    app = App.objects.select_related("tenant").filter(tenant_id=tenant_id, id=app_id).first()
    if app is None:
        return
    try:
        with transaction.atomic():
            wait = _first_wait(app, origin)
            Hold.objects.create(
                tenant=app.tenant,
                app=app,
                push_origin=origin,
                kind=kind,
                reason=reason,
                evidence=json.loads(evidence),
                app_version=app.version,
                probe_at=Now() + timedelta(seconds=wait) if kind is HoldKind.CREDENTIALS else None,
                probe_wait=wait,
            )
            execute(sql.LANES_ENSURE, {"tenant": tenant_id, "app": app_id, "origin": origin})
            data = {"kind": kind, "push_origin": origin, "reason": reason}
            event_record(tenant=app.tenant, type=EventType.APP_HELD, subject=str(app_id), data=data)
    except IntegrityError:
        return
    count(Metric.HOLDS_OPENED, reason=kind)
    logger.error("deliveries are held", extra={"app": str(app_id), "kind": kind, "host": origin, "reason": reason})


def _first_wait(app: App, origin: str) -> float:
    """Seconds until the first probe."""
    last = Hold.objects.filter(
        tenant=app.tenant_id, app=app, push_origin=origin, drained_at__gt=Now() - RELAPSE, kind=HoldKind.CREDENTIALS
    )
    return max([PROBES.base, *last.values_list("probe_wait", flat=True)])
