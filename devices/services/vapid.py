"""VAPID keys (RFC 8292): made with the tenant, imported, rotated. An old key serves the subscriptions made with it."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from devices.models import App, AppState, VapidKey
from events.services import event_record
from events.types import EventType
from providers.webpush.base64url import b64url
from providers.webpush.vapid import VapidInvalid, vapid_key_generate, vapid_key_import, vapid_sub_check
from pushhub.kernel.crypto import seal
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.purposes import Purpose
from tenants.models import Tenant

WEB_APP = "web"


def web_app_create(tenant: Tenant) -> dict[str, Any]:
    """Every new tenant has a web push app; what `tenant_create` shows of it."""
    app = App.objects.create(tenant=tenant, name=WEB_APP, provider=App.Provider.WEBPUSH, state=AppState.ACTIVE)
    return {"vapid_public_key": vapid_key_add(app=app).public_key}


def vapid_key_add(*, app: App, private_key: str = "", sub: str = "", pointer: str = "") -> VapidKey:
    """A new current key, generated or imported. `sub` defaults to the current key's; "" follows PUSHHUB_VAPID_SUB.

    `pointer`: where the two stand in the body. Raises ApiError INVALID, or CONFLICT for a key the app has already.
    """
    contact = _sub_checked(sub, pointer) if sub else _sub_default(app)
    try:
        pair = vapid_key_import(private_key) if private_key else vapid_key_generate()
    except VapidInvalid as fault:
        raise ApiError(ErrorCode.INVALID, detail=f"{fault}.", pointer=f"{pointer}/private_key") from None
    try:
        with transaction.atomic():
            return VapidKey.objects.create(
                tenant_id=app.tenant_id,
                app=app,
                public_key=b64url(pair.public_key),
                private_key_sealed=seal(pair.private_key, purpose=Purpose.VAPID_PRIVATE_KEY),
                sub=contact,
            )
    except IntegrityError:
        raise ApiError(
            ErrorCode.CONFLICT, detail="The app has this key already.", pointer=f"{pointer}/private_key"
        ) from None


def vapid_key_rotate(*, tenant: Tenant, app: App, private_key: str = "", sub: str = "") -> VapidKey:
    """Offer browsers a new key. Subscriptions keep the one they were made with until they are made anew.

    The app's new version makes workers read its keys again, and try what they hold because of refused credentials.
    """
    if app.provider != App.Provider.WEBPUSH:
        raise ApiError(ErrorCode.INVALID, detail="Only a web push app has VAPID keys.", pointer="")
    with transaction.atomic():
        key = vapid_key_add(app=app, private_key=private_key, sub=sub)
        App.objects.filter(tenant=tenant, id=app.id).update(version=F("version") + 1)
        data = {"key_id": str(key.id)}
        event_record(tenant=tenant, type=EventType.APP_VAPID_ROTATED, subject=str(app.id), data=data)
    return key


def _sub_checked(sub: str, pointer: str) -> str:
    try:
        return vapid_sub_check(sub)
    except VapidInvalid as fault:
        raise ApiError(ErrorCode.INVALID, detail=f"{fault}.", pointer=f"{pointer}/sub") from None


def _sub_default(app: App) -> str:
    newest = VapidKey.objects.filter(tenant=app.tenant_id, app=app).order_by("-id").first()
    return newest.sub if newest else ""
