"""The key pairs of apps (VAPID, RFC 8292): generated, imported, rotated. An old key serves the subscriptions made with
it."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from devices.models import App, AppState, VapidKey
from events.services import event_record
from events.types import EventType
from providers.keys import KeyInvalid, KeyScheme
from providers.registry import provider_get, providers_all
from pushhub.kernel.crypto import seal
from pushhub.kernel.errors import ApiError, ErrorCode
from pushhub.kernel.purposes import Purpose
from tenants.models import Tenant


def default_apps_create(tenant: Tenant) -> dict[str, Any]:
    """The apps that every new tenant gets. What `tenant_create` shows of them."""
    shown = {}
    for provider in providers_all():
        if provider.default_app:
            name = provider.default_app
            app = App.objects.create(tenant=tenant, name=name, provider=provider.name, state=AppState.ACTIVE)
            if provider.has_alternate_keys:
                shown["vapid_public_key"] = vapid_key_add(app=app).public_key
    return shown


def vapid_key_add(*, app: App, private_key: str = "", sub: str = "", pointer: str = "") -> VapidKey:
    """A new current key, generated or imported. `sub` defaults to the current key's; "" follows PUSHHUB_VAPID_SUB.

    `pointer`: where the two stand in the body. Raises ApiError INVALID, or CONFLICT for a key the app has already.
    """
    scheme = _scheme(app)
    contact = _sub_checked(scheme, sub, pointer) if sub else _sub_default(app)
    try:
        pair = scheme.read(private_key) if private_key else scheme.generate()
    except KeyInvalid as fault:
        raise ApiError(ErrorCode.INVALID, detail=f"{fault}.", pointer=f"{pointer}/private_key") from None
    try:
        with transaction.atomic():
            return VapidKey.objects.create(
                tenant_id=app.tenant_id,
                app=app,
                public_key=pair.public,
                private_key_sealed=seal(pair.private, purpose=Purpose.VAPID_PRIVATE_KEY),
                sub=contact,
            )
    except IntegrityError:
        raise ApiError(
            ErrorCode.CONFLICT, detail="The app has this key already.", pointer=f"{pointer}/private_key"
        ) from None


def vapid_key_rotate(*, tenant: Tenant, app: App, private_key: str = "", sub: str = "") -> VapidKey:
    """Offer browsers a new key. Subscriptions keep the one they were made with until they are made anew.

    The app's new version makes workers read its keys again, and probe holds that refused credentials have opened.
    Raises ApiError INVALID for an app that has no such keys.
    """
    with transaction.atomic():
        key = vapid_key_add(app=app, private_key=private_key, sub=sub)
        App.objects.filter(tenant=tenant, id=app.id).update(version=F("version") + 1)
        data = {"key_id": str(key.id)}
        event_record(tenant=tenant, type=EventType.APP_VAPID_ROTATED, subject=str(app.id), data=data)
    return key


def _scheme(app: App) -> KeyScheme:
    scheme = provider_get(app.provider).keys
    if scheme is None:
        raise ApiError(ErrorCode.INVALID, detail="Only a web push app has VAPID keys.", pointer="")
    return scheme


def _sub_checked(scheme: KeyScheme, sub: str, pointer: str) -> str:
    try:
        return scheme.contact_check(sub)
    except KeyInvalid as fault:
        raise ApiError(ErrorCode.INVALID, detail=f"{fault}.", pointer=f"{pointer}/sub") from None


def _sub_default(app: App) -> str:
    newest = VapidKey.objects.filter(tenant=app.tenant_id, app=app).order_by("-id").first()
    return newest.sub if newest else ""
