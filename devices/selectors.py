"""Reads. One door per object: what is not there and what is another tenant's answer the same 404."""

from uuid import UUID

from django.db.models import QuerySet

from devices.models import App, AppState, Device, EndpointState, Platform, VapidKey
from pushhub.errors import ApiError, ErrorCode
from tenants.models import Tenant

# Which vendor's apps reach a platform, and for SNS under which of its platform strings (facts A2).
PLATFORM_APPS: dict[str, tuple[str, tuple[str, ...]]] = {
    Platform.WEB: (App.Provider.WEBPUSH, ("",)),
    Platform.IOS: (App.Provider.SNS, ("APNS", "APNS_SANDBOX", "APNS_VOIP", "APNS_VOIP_SANDBOX")),
    Platform.MACOS: (App.Provider.SNS, ("MACOS", "MACOS_SANDBOX")),
    Platform.ANDROID: (App.Provider.SNS, ("GCM", "BAIDU")),
    Platform.FIREOS: (App.Provider.SNS, ("ADM",)),
    Platform.STUB: (App.Provider.STUB, ("",)),
}


def device_get_for_tenant(*, tenant: Tenant, device_id: UUID) -> Device:
    """The live device. Raises ApiError NOT_FOUND."""
    device = (
        Device.objects.filter(tenant=tenant, device_id=device_id, deleted_at=None)
        .select_related("app", "user", "vapid_key")
        .first()
    )
    if device is None:
        raise ApiError(ErrorCode.NOT_FOUND, detail="No such device.")
    return device


def devices_list(
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


def apps_list(*, tenant: Tenant) -> QuerySet[App]:
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
    fitting = list(
        App.objects.filter(
            tenant=tenant, provider=provider, sns_platform__in=sns_platforms, state=AppState.ACTIVE
        ).order_by("id")[:2]
    )
    if not fitting:
        raise ApiError(ErrorCode.APP_UNAVAILABLE, detail="No active app fits this platform.", pointer="/platform")
    if len(fitting) > 1:
        raise ApiError(
            ErrorCode.APP_AMBIGUOUS, detail="Several apps fit this platform: name one in `app`.", pointer="/app"
        )
    return fitting[0]


def vapid_key_current(*, app: App) -> VapidKey | None:
    """The newest unretired key: what browsers are offered."""
    return VapidKey.objects.filter(tenant=app.tenant_id, app=app, retired_at=None).order_by("-id").first()


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
