"""Whether the vendor takes an app's credentials: asked by a worker, never within a request."""

from uuid import UUID

from django.db import connection

from devices.credentials import app_record, credentials_open
from devices.models import App, VapidKey
from devices.services.apps import app_verified
from devices.sql import AppToVerify, apps_to_verify_claim
from providers.errors import AppUnavailable, CredentialsPending, VendorRetry
from providers.registry import provider_get
from pushhub.workers.leased_work import LeasedWork, one_by_one

BATCH = 10


def _claim() -> list[AppToVerify]:
    with connection.cursor() as cursor:
        return apps_to_verify_claim(cursor, limit=BATCH)


def _call(claimed: AppToVerify) -> str | None:
    """Why the credentials cannot be used, "" if they can. None: not known yet; the app is due a minute later."""
    app = App.objects.get(id=claimed.id)
    app_type, record = provider_get(app.provider).app, app_record(app, version=claimed.version)
    try:
        for key_id in _key_ids(app):
            credentials = credentials_open(app_id=app.id, version=claimed.version, vapid_key_id=key_id)
            if fault := app_type.verify(record, credentials):
                return fault
    except AppUnavailable as error:
        return str(error)
    except (VendorRetry, CredentialsPending):
        return None
    return ""


def _key_ids(app: App) -> list[UUID | None]:
    if not provider_get(app.provider).has_alternate_keys:
        return [None]
    return list(VapidKey.objects.filter(tenant=app.tenant_id, app=app, retired_at=None).values_list("id", flat=True))


def _settle(app: AppToVerify, fault: str) -> bool:
    return app_verified(app_id=app.id, version=app.version, reason=fault)


VERIFICATION = LeasedWork(
    name="app verification", item_id=lambda app: app.id, claim=_claim, calls=one_by_one(_call), settle=_settle
)
