"""A tenant's provider apps: created, changed, verified, paused. No function here calls a vendor; workers do."""

import logging
from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from devices.credentials import app_record
from devices.models import App, AppState, Device
from devices.sealing import credentials_seal
from devices.services.endpoints import QUEUE, provision_wake
from devices.services.vapid import vapid_key_add
from devices.sql import lock_number
from events.services import event_record
from events.types import EventType
from providers.apps import AppSettings, TenantOwned
from providers.registry import provider_get
from pushhub.kernel.backoff import Backoff
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.metrics import Metric, count
from pushhub.workers.wake import wake
from tenants.models import Tenant

logger = logging.getLogger(__name__)

VERIFY_TASK = "devices.tasks.apps_verify"
VERIFY_BACKOFF: Final = Backoff(base=60.0, cap=900.0)  # from a refusal to the next try of the credentials
RELAPSE: Final = timedelta(hours=1)  # refused so soon after they verified: the wait goes on doubling


def app_create(*, tenant: Tenant, name: str, provider: str, settings: Mapping[str, Any], operator: bool = False) -> App:
    """An app of one of the registered providers; a worker verifies its credentials. Calls no vendor.

    `settings` has the members of the API's body that the provider describes (`AppType.fields`); one of another provider
    is refused. Raises ApiError INVALID, CONFLICT, and CREDENTIALS_REFUSED for what belongs to another tenant or needs
    an operator.
    """
    scheme = provider_get(provider).app
    _require_own_fields(settings, {field.name for field in scheme.fields})
    found = scheme.create(settings, operator=operator)
    with transaction.atomic():
        app = App(tenant=tenant, name=name, provider=provider)
        _settings_apply(app, found)
        try:
            with transaction.atomic():
                app.save(force_insert=True)
        except IntegrityError:
            raise _name_conflict() from None
        if found.key is not None:
            vapid_key_add(app=app, private_key=found.key.private_key, sub=found.key.contact, pointer=found.key.pointer)
        _record(app, EventType.APP_CREATED)
        if found.replaces_credentials:
            app_verify(tenant=tenant, app=app)
    return app


def app_update(
    *,
    tenant: Tenant,
    app: App,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    enabled: bool | None = None,
) -> App:
    """What is None, or not in `settings`, stays. A worker verifies new credentials. Raises as `app_create`."""
    with transaction.atomic():
        app = App.objects.select_for_update(no_key=True).get(tenant=tenant, id=app.id)
        app.name = app.name if name is None else name
        scheme = provider_get(app.provider).app
        _require_own_fields(settings or {}, scheme.changeable)
        found = scheme.change(app_record(app), settings) if settings else AppSettings()
        _settings_apply(app, found)
        try:
            with transaction.atomic():
                app.save(update_fields=["name", "credentials_sealed", "updated_at", *found.columns])
        except IntegrityError:
            raise _name_conflict() from None
        if enabled is not None and enabled == (app.state == AppState.DISABLED):
            _state_set(app, AppState.ACTIVE if enabled else AppState.DISABLED, "" if enabled else "by the tenant")
        if found.replaces_credentials:
            app_verify(tenant=tenant, app=app)
    app.refresh_from_db()
    return app


def app_delete(*, tenant: Tenant, app: App) -> None:
    """Only when no live device is left on it, and no endpoint waits to be deleted. Raises ApiError CONFLICT."""
    with transaction.atomic():
        app = App.objects.select_for_update().get(tenant=tenant, id=app.id)
        devices = Device.objects.filter(tenant=tenant, app=app)
        if devices.exclude(deleted_at__isnull=False, provision_due_at=None).exists():
            raise ApiError(ErrorCode.CONFLICT, detail="Devices are registered with this app: disable it instead.")
        devices.delete()
        _record(app, EventType.APP_DELETED)
        app.delete()


def app_verify(*, tenant: Tenant, app: App) -> App:
    """Have a worker try the credentials. The new version makes every process read them again."""
    with transaction.atomic():
        App.objects.filter(tenant=tenant, id=app.id).update(
            verify_due_at=Now(), verify_attempts=0, version=F("version") + 1
        )
        transaction.on_commit(partial(wake, VERIFY_TASK, QUEUE), robust=True)
    app.refresh_from_db()
    return app


def app_misconfigured(*, app_id: UUID, reason: str, version: int | None = None) -> None:
    """The vendor refuses the app's credentials: deliveries and provisioning wait until they verify. Idempotent.

    With the `version` that was refused, newer credentials are left alone. Workers try the credentials again at doubling
    intervals, also those of an app that verifies and is refused again soon after.
    """
    with transaction.atomic():
        app = (
            App.objects.select_for_update(of=("self",), no_key=True).select_related("tenant").filter(id=app_id).first()
        )
        if app is not None and app.state == AppState.ACTIVE and version in (None, app.version):
            _state_set(app, AppState.MISCONFIGURED, reason[:200])
            lately = app.verified_at is not None and timezone.now() - app.verified_at < RELAPSE
            _verify_retry(app, attempts=app.verify_attempts + 1 if lately else 1)


def app_verified(*, app_id: UUID, version: int, reason: str) -> bool:
    """Write what a worker found: "" if the vendor accepts the credentials. False if they changed since `version`."""
    with transaction.atomic():
        app = (
            App.objects.select_for_update(of=("self",), no_key=True)
            .select_related("tenant")
            .filter(id=app_id, version=version)
            .first()
        )
        if app is None:
            return False
        App.objects.filter(id=app.id).update(
            verify_due_at=None, verified_at=F("verified_at") if reason else Now(), updated_at=Now()
        )
        if reason and app.state == AppState.ACTIVE:
            _state_set(app, AppState.MISCONFIGURED, reason[:200])
        elif reason and app.state == AppState.MISCONFIGURED:
            App.objects.filter(id=app.id).update(state_reason=reason[:200])
        elif app.state == AppState.MISCONFIGURED:
            _state_set(app, AppState.ACTIVE, "")
        if reason:
            _verify_retry(app, attempts=app.verify_attempts + 1)
    return True


def _verify_retry(app: App, *, attempts: int) -> None:
    wait = timedelta(seconds=VERIFY_BACKOFF.longest(attempts - 1))
    App.objects.filter(id=app.id).update(verify_due_at=Now() + wait, verify_attempts=min(attempts, 100))


def _state_set(app: App, state: AppState, reason: str) -> None:
    """Report it to operators and the tenant; what waited for a repair becomes due."""
    App.objects.filter(id=app.id).update(state=state, state_reason=reason, state_changed_at=Now(), updated_at=Now())
    event_record(
        tenant=app.tenant,
        type=EventType(f"app.{state}"),
        subject=str(app.id),
        data={"name": app.name, "reason": reason},
    )
    if state == AppState.MISCONFIGURED:
        count(Metric.APPS_PAUSED, provider=app.provider)
        logger.error("an app's credentials are refused: it is paused", extra={"app": str(app.id), "reason": reason})
    if state == AppState.ACTIVE:
        Device.objects.filter(tenant=app.tenant_id, app=app, provision_due_at__isnull=False).update(
            provision_due_at=Now(), provision_attempts=0
        )
        provision_wake()


def _settings_apply(app: App, found: AppSettings) -> None:
    """Into the row, not saved. In a transaction. Raises ApiError CONFLICT, CREDENTIALS_REFUSED."""
    for owned in provider_get(app.provider).app.tenant_owned:
        if value := found.columns.get(owned.column):
            _require_ownership(app, owned, value)
    for column, value in found.columns.items():
        setattr(app, column, value)
    if found.replaces_credentials:
        app.credentials_sealed = credentials_seal(found.secrets) if found.secrets else None


def _require_ownership(app: App, owned: TenantOwned, value: str) -> None:
    """The lock makes two tenants that name the same value at once wait for each other. The unique constraint of an ARN
    would refuse a second app as well, but would not say whose the first is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_number(b"arn", value.encode())])
    others = App.objects.filter(**{owned.column: value}).exclude(id=app.id)
    if others.exclude(tenant=app.tenant_id).exists():
        raise ApiError(ErrorCode.CREDENTIALS_REFUSED, detail=owned.refusal, pointer=f"/{owned.column}")
    if owned.conflict and others.exists():
        raise ApiError(ErrorCode.CONFLICT, detail=owned.conflict, pointer=f"/{owned.column}")


def _require_own_fields(settings: Mapping[str, Any], known: Collection[str]) -> None:
    for name in settings:
        if name not in known:
            raise ApiError(ErrorCode.INVALID, detail="Not a field of this provider.", pointer=f"/{name}")


def _name_conflict() -> ApiError:
    return ApiError(ErrorCode.CONFLICT, detail="Another app has this name.", pointer="/name")


def _record(app: App, type: EventType) -> None:
    event_record(tenant=app.tenant, type=type, subject=str(app.id), data={"name": app.name, "provider": app.provider})
