"""A tenant's provider apps: made, changed, verified, paused. No function here calls a vendor; workers do."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from devices.models import App, AppState, Device
from devices.sealing import credentials_seal
from devices.services.endpoints import QUEUE, provision_wake
from devices.services.vapid import vapid_key_add
from devices.sns_arn import Place, application_read, role_account, topic_read
from devices.sql import lock_number
from events.services import event_record
from events.types import EventType
from pushhub.kernel.backoff import Backoff
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.metrics import Metric, count
from pushhub.workers.wake import wake
from tenants.models import Tenant

logger = logging.getLogger(__name__)

VERIFY_TASK = "devices.tasks.apps_verify"
VERIFY_BACKOFF: Final = Backoff(base=60.0, cap=900.0)  # from a refusal to the next try of the credentials
RELAPSE: Final = timedelta(hours=1)  # refused so soon after they verified: the wait goes on doubling


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsAccess:
    """How an SNS app reaches AWS: exactly one of keys, role, ambient, parameter. The last two for operators only."""

    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    role_arn: str = ""
    ambient: bool = False
    parameter_name: str = ""

    @property
    def kind(self) -> App.CredentialKind:
        if self.ambient:
            return App.CredentialKind.AMBIENT
        if self.parameter_name:
            return App.CredentialKind.PARAMETER
        return App.CredentialKind.ROLE if self.role_arn else App.CredentialKind.KEYS


def app_create_webpush(*, tenant: Tenant, name: str, private_key: str = "", sub: str = "") -> App:
    """A web push app with its first VAPID key. Raises ApiError INVALID, CONFLICT."""
    with transaction.atomic():
        app = _insert(App(tenant=tenant, name=name, provider=App.Provider.WEBPUSH))
        vapid_key_add(app=app, private_key=private_key, sub=sub, pointer="/vapid")
        _record(app, EventType.APP_CREATED)
    return app


def app_create_sns(
    *,
    tenant: Tenant,
    name: str,
    platform_application_arn: str,
    access: AwsAccess,
    region: str = "",
    event_topic_arn: str = "",
    operator: bool = False,
) -> App:
    """An SNS platform application; a worker verifies it. Calls nobody.

    Raises ApiError INVALID, CONFLICT, and CREDENTIALS_REFUSED for what is another tenant's or an operator's.
    """
    read = application_read(platform_application_arn)
    if read is None:
        raise _invalid("/platform_application_arn", "Not the ARN of an SNS platform application.")
    place, platform = read
    if region not in ("", place.region):
        raise _invalid("/region", "The region is the ARN's own.")
    with transaction.atomic():
        _require_free(tenant, platform_application_arn)
        _require_access(tenant, access, place, operator=operator)
        app = _insert(
            App(
                tenant=tenant,
                name=name,
                provider=App.Provider.SNS,
                platform_application_arn=platform_application_arn,
                sns_platform=platform,
                account_id=place.account,
                region=place.region,
                event_topic_arn=_topic_checked(event_topic_arn, place),
                **_access_columns(access),
            )
        )
        _record(app, EventType.APP_CREATED)
        app_verify(tenant=tenant, app=app)
    return app


def app_update(
    *,
    tenant: Tenant,
    app: App,
    name: str | None = None,
    access: AwsAccess | None = None,
    event_topic_arn: str | None = None,
    enabled: bool | None = None,
) -> App:
    """What is None stays. New credentials are verified by a worker. Raises as `app_create_sns`."""
    with transaction.atomic():
        app = App.objects.select_for_update(no_key=True).get(tenant=tenant, id=app.id)
        if name is not None:
            app.name = name
        if access is not None or event_topic_arn is not None:
            _sns_changes(tenant, app, access, event_topic_arn)
        _save(app)
        if enabled is not None and enabled == (app.state == AppState.DISABLED):
            _state_set(app, AppState.ACTIVE if enabled else AppState.DISABLED, "" if enabled else "by the tenant")
        if access is not None:
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
    """Have a worker try the credentials. The new version makes every process read them again, an SSM parameter too."""
    with transaction.atomic():
        App.objects.filter(tenant=tenant, id=app.id).update(
            verify_due_at=Now(), verify_attempts=0, version=F("version") + 1
        )
        transaction.on_commit(partial(wake, VERIFY_TASK, QUEUE), robust=True)
    app.refresh_from_db()
    return app


def app_misconfigured(*, app_id: UUID, reason: str, version: int | None = None) -> None:
    """The vendor refuses the app's credentials: deliveries and provisioning wait until they verify. Idempotent.

    With the `version` that was refused, credentials given since then are left alone. Workers try the credentials again
    at doubling intervals. One that verifies and is refused again soon after is tried less and less often, too.
    """
    with transaction.atomic():
        app = (
            App.objects.select_for_update(of=("self",), no_key=True).select_related("tenant").filter(id=app_id).first()
        )
        if app is not None and app.state == AppState.ACTIVE and version in (None, app.version):
            _state_set(app, AppState.MISCONFIGURED, reason[:200])
            lately = app.verified_at is not None and timezone.now() - app.verified_at < RELAPSE
            _verify_again(app, attempts=app.verify_attempts + 1 if lately else 1)


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
            _verify_again(app, attempts=app.verify_attempts + 1)
    return True


def _verify_again(app: App, *, attempts: int) -> None:
    wait = timedelta(seconds=VERIFY_BACKOFF.longest(attempts - 1))
    App.objects.filter(id=app.id).update(verify_due_at=Now() + wait, verify_attempts=min(attempts, 100))


def _state_set(app: App, state: AppState, reason: str) -> None:
    """Tell operators and tenant; what waited for a repair becomes due."""
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


def _sns_changes(tenant: Tenant, app: App, access: AwsAccess | None, event_topic_arn: str | None) -> None:
    read = application_read(app.platform_application_arn)
    if read is None:
        raise _invalid("", "Only an SNS app has these fields.")
    if access is not None:
        if app.credential_kind in (App.CredentialKind.AMBIENT, App.CredentialKind.PARAMETER):
            raise _refused("/credentials", "An operator gave this app its credentials.")
        _require_access(tenant, access, read[0], operator=False)
        for column, value in _access_columns(access).items():
            setattr(app, column, value)
    if event_topic_arn is not None:
        app.event_topic_arn = _topic_checked(event_topic_arn, read[0])


def _require_free(tenant: Tenant, arn: str) -> None:
    """The unique constraint would say it too, but not who holds it: a tenant's own double is a conflict, no refusal."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_number(b"arn", arn.encode())])
    holder = App.objects.filter(platform_application_arn=arn).values_list("tenant_id", flat=True).first()
    if holder == tenant.id:
        raise ApiError(
            ErrorCode.CONFLICT, detail="Another app has this ARN already.", pointer="/platform_application_arn"
        )
    if holder is not None:
        raise _refused("/platform_application_arn", "This ARN may not be used here.")


def _require_access(tenant: Tenant, access: AwsAccess, place: Place, *, operator: bool) -> None:
    """No confused deputy: the server's own identity is lent by operators only, a role to the tenant that has it."""
    if access.kind in (App.CredentialKind.AMBIENT, App.CredentialKind.PARAMETER) and not operator:
        pointer = "/ambient" if access.ambient else "/parameter_name"
        raise _refused(pointer, "Only an operator may lend the server's own AWS identity or a parameter.")
    if access.kind == App.CredentialKind.KEYS and not (access.access_key_id and access.secret_access_key):
        raise _invalid("/credentials", "An SNS app needs `credentials` or `role_arn`.")
    if access.kind != App.CredentialKind.ROLE:
        return
    account = role_account(access.role_arn)
    if account is None:
        raise _invalid("/role_arn", "Not the ARN of an IAM role.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_number(b"arn", access.role_arn.encode())])
    if account != place.account or App.objects.filter(role_arn=access.role_arn).exclude(tenant=tenant).exists():
        raise _refused("/role_arn", "This role may not be used here.")


def _access_columns(access: AwsAccess) -> Mapping[str, Any]:
    keys = {"access_key_id": access.access_key_id, "secret_access_key": access.secret_access_key}
    return {
        "credential_kind": access.kind,
        "role_arn": access.role_arn,
        "parameter_name": access.parameter_name,
        "credentials_sealed": credentials_seal(keys) if access.kind == App.CredentialKind.KEYS else None,
    }


def _topic_checked(arn: str, place: Place) -> str:
    if arn and topic_read(arn) != place:
        raise _invalid("/event_topic_arn", "An SNS topic of the application's own account and region is expected.")
    return arn


def _insert(app: App) -> App:
    try:
        with transaction.atomic():
            app.save(force_insert=True)
    except IntegrityError:
        raise ApiError(ErrorCode.CONFLICT, detail="Another app has this name.", pointer="/name") from None
    return app


def _save(app: App) -> None:
    try:
        with transaction.atomic():
            app.save(
                update_fields=[
                    "name", "event_topic_arn", "credential_kind", "role_arn", "credentials_sealed", "updated_at",
                ]
            )  # fmt: skip
    except IntegrityError:
        raise ApiError(ErrorCode.CONFLICT, detail="Another app has this name.", pointer="/name") from None


def _record(app: App, type: EventType) -> None:
    event_record(tenant=app.tenant, type=type, subject=str(app.id), data={"name": app.name, "provider": app.provider})


def _invalid(pointer: str, detail: str) -> ApiError:
    return ApiError(ErrorCode.INVALID, detail=detail, pointer=pointer)


def _refused(pointer: str, detail: str) -> ApiError:
    return ApiError(ErrorCode.CREDENTIALS_REFUSED, detail=detail, pointer=pointer)
