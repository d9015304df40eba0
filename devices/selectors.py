"""Reads. One door per object: what is not there and what is another tenant's answer the same 404."""

from functools import cache
from uuid import UUID

from django.db.models import QuerySet

from devices.models import App, AppState, Device, EndpointState, Platform, VapidKey
from pushhub.kernel.database import columns, row_build, statement_run
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import EndUser, Tenant

# Which vendor's apps reach a platform, and for SNS under which of its platform strings (devices.sns_arn).
PLATFORM_APPS: dict[str, tuple[str, tuple[str, ...]]] = {
    Platform.WEB: (App.Provider.WEBPUSH, ("",)),
    Platform.IOS: (App.Provider.SNS, ("APNS", "APNS_SANDBOX", "APNS_VOIP", "APNS_VOIP_SANDBOX")),
    Platform.MACOS: (App.Provider.SNS, ("MACOS", "MACOS_SANDBOX")),
    Platform.ANDROID: (App.Provider.SNS, ("GCM",)),
    Platform.FIREOS: (App.Provider.SNS, ("ADM",)),
    Platform.STUB: (App.Provider.STUB, ("",)),
}


def device_get_for_tenant(*, tenant: Tenant, device_id: UUID) -> Device:
    """The live device. Raises ApiError NOT_FOUND."""
    device = device_find(tenant=tenant, device_id=device_id)
    if device is None:
        raise ApiError(ErrorCode.NOT_FOUND, detail="No such device.")
    return device


def device_find(*, tenant: Tenant, device_id: UUID) -> Device | None:
    """The live device with its app, user and VAPID key, or None."""
    rows = statement_run(_statements()["device"], {"tenant": tenant.id, "device": device_id})
    if not rows:
        return None
    device, rest = row_build(Device, rows[0])
    device.app, rest = row_build(App, rest)
    user, rest = row_build(EndUser, rest)
    key, _ = row_build(VapidKey, rest)
    device.user, device.vapid_key = user if device.user_id else None, key if device.vapid_key_id else None
    return device


@cache
def _statements() -> dict[str, str]:
    """The look-ups of every registration. Indexes: device_device_id, app_name by its tenant, vapid_key_public_key."""
    return {
        name: statement.strip().format(
            device=columns(Device, "device"),
            app=columns(App, "app"),
            person=columns(EndUser, "person"),
            key=columns(VapidKey, "key"),
        )
        for name, statement in _STATEMENTS.items()
    }


_STATEMENTS = {
    "device": """
        SELECT {device}, {app}, {person}, {key}
        FROM devices_device device
        JOIN devices_app app ON app.id = device.app_id
        LEFT JOIN tenants_enduser person ON person.id = device.user_id
        LEFT JOIN devices_vapidkey key ON key.id = device.vapid_key_id
        WHERE device.tenant_id = %(tenant)s AND device.device_id = %(device)s AND device.deleted_at IS NULL
        """,
    "apps": """
        SELECT {app} FROM devices_app app
        WHERE app.tenant_id = %(tenant)s AND app.provider = %(provider)s::varchar
          AND app.sns_platform = ANY (%(platforms)s::varchar[]) AND app.state = 'active'
        ORDER BY app.id LIMIT 2
        """,
    "vapid_key": """
        SELECT {key} FROM devices_vapidkey key
        WHERE key.tenant_id = %(tenant)s AND key.app_id = %(app)s AND key.retired_at IS NULL
        ORDER BY key.id DESC LIMIT 1
        """,
}


def device_list(
    *, tenant: Tenant, user_id: str | None = None, platform: str = "", state: str = "", app: str = ""
) -> QuerySet[Device]:
    """Live devices that match, unordered: the page helper walks them by `id`."""
    devices = Device.objects.filter(tenant=tenant, deleted_at=None).select_related("app", "user", "vapid_key")
    if user_id is not None:
        devices = devices.filter(user__tenant=tenant, user__user_id=user_id)
    if platform:
        devices = devices.filter(platform=platform)
    if state:
        devices = devices.filter(endpoint_state=EndpointState(state))
    if app:
        devices = devices.filter(app=app_get_for_tenant(tenant=tenant, name=app))
    return devices


def app_list(*, tenant: Tenant) -> QuerySet[App]:
    return App.objects.filter(tenant=tenant).prefetch_related("vapid_keys")


def app_get_for_tenant(*, tenant: Tenant, name: str) -> App:
    """By the tenant's own name for it, or by its id. Raises ApiError NOT_FOUND."""
    apps = App.objects.filter(tenant=tenant)
    app = apps.filter(name=name).first()
    if app is None and (app_id := _uuid(name)):
        app = apps.filter(id=app_id).first()
    if app is None:
        raise ApiError(ErrorCode.NOT_FOUND, detail="No such app.")
    return app


def app_fits(app: App, platform: str) -> bool:
    provider, sns_platforms = PLATFORM_APPS[platform]
    return app.provider == provider and app.sns_platform in sns_platforms


def app_for_platform(*, tenant: Tenant, platform: str, name: str = "") -> App:
    """The app a registration means: the one named, or the only active one that fits.

    Raises ApiError APP_AMBIGUOUS or APP_UNAVAILABLE.
    """
    if name:
        try:
            app = app_get_for_tenant(tenant=tenant, name=name)
        except ApiError:
            raise ApiError(ErrorCode.APP_UNAVAILABLE, detail="No such app.", pointer="/app") from None
        if not app_fits(app, platform) or app.state == AppState.DISABLED:
            raise ApiError(
                ErrorCode.APP_UNAVAILABLE, detail="This app is disabled, or not for this platform.", pointer="/app"
            )
        return app
    provider, sns_platforms = PLATFORM_APPS[platform]
    fitting = statement_run(
        _statements()["apps"], {"tenant": tenant.id, "provider": provider, "platforms": list(sns_platforms)}
    )
    if not fitting:
        raise ApiError(ErrorCode.APP_UNAVAILABLE, detail="No active app fits this platform.", pointer="/platform")
    if len(fitting) > 1:
        raise ApiError(
            ErrorCode.APP_AMBIGUOUS, detail="Several apps fit this platform: name one in `app`.", pointer="/app"
        )
    return row_build(App, fitting[0])[0]


def vapid_key_current(*, app: App) -> VapidKey | None:
    """The newest unretired key: what browsers are offered."""
    rows = statement_run(_statements()["vapid_key"], {"tenant": app.tenant_id, "app": app.id})
    return row_build(VapidKey, rows[0])[0] if rows else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
