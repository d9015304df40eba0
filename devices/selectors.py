"""Reads. One function finds each object: a missing one and another tenant's give the same 404."""

from functools import cache
from uuid import UUID

from django.db.models import QuerySet

from devices.models import App, AppState, Device, EndpointState, VapidKey
from providers.registry import app_kinds
from pushhub.kernel.database import columns, row_build, statement_run
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import EndUser, Tenant


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
        WHERE app.tenant_id = %(tenant)s AND app.state = 'active' AND (app.provider, app.sns_platform) IN (
            SELECT * FROM unnest(%(providers)s::varchar[], %(platforms)s::varchar[]))
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
    """Live devices that match, unordered: the page helper reads them by `id`."""
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
    return (app.provider, app.sns_platform) in app_kinds(platform)


def app_for_platform(*, tenant: Tenant, platform: str, name: str = "") -> App:
    """The app of a registration: the one named, or the only active one that fits.

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
    kinds = app_kinds(platform)
    parameters = {
        "tenant": tenant.id,
        "providers": [provider for provider, _ in kinds],
        "platforms": [vendor_platform for _, vendor_platform in kinds],
    }
    fitting = statement_run(_statements()["apps"], parameters)
    if not fitting:
        raise ApiError(ErrorCode.APP_UNAVAILABLE, detail="No active app fits this platform.", pointer="/platform")
    if len(fitting) > 1:
        raise ApiError(
            ErrorCode.APP_AMBIGUOUS, detail="Several apps fit this platform: name one in `app`.", pointer="/app"
        )
    return row_build(App, fitting[0])[0]


def vapid_key_current(*, app: App) -> VapidKey | None:
    """The newest unretired key, which browsers get."""
    rows = statement_run(_statements()["vapid_key"], {"tenant": app.tenant_id, "app": app.id})
    return row_build(VapidKey, rows[0])[0] if rows else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
