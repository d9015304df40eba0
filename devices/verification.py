"""Whether the vendor takes an app's credentials: asked by a worker, never within a request."""

from typing import cast

from django.db import connection

from devices.credentials import AppUnavailable, CredentialsPending, credentials_open
from devices.models import App, VapidKey
from devices.services.apps import app_verified
from devices.sql import AppToVerify, apps_to_verify_claim
from providers.sns.access import SnsError, SnsRetry
from providers.sns.endpoints import credentials_verify
from providers.types import SnsCredentials
from pushhub.workers.leased_work import LeasedWork, one_by_one

BATCH = 10


def apps_verify_step() -> int:
    """Try the credentials of a few due apps. How many were due."""
    return VERIFICATION.step()


def _claim() -> list[AppToVerify]:
    with connection.cursor() as cursor:
        return apps_to_verify_claim(cursor, limit=BATCH)


def _call(app: AppToVerify) -> str | None:
    """Why the credentials cannot be used, "" if they can. None: not known yet; the app is due a minute later."""
    try:
        return _fault(app)
    except (SnsRetry, CredentialsPending):
        return None


def _settle(app: AppToVerify, fault: str) -> bool:
    return app_verified(app_id=app.id, version=app.version, reason=fault)


def _fault(app: AppToVerify) -> str:
    """Why the credentials cannot be used, "" if they can. Raises SnsRetry, CredentialsPending."""
    try:
        if app.provider == App.Provider.SNS:
            return _sns_fault(app)
        if app.provider == App.Provider.STUB:
            credentials_open(app_id=app.id, version=app.version, vapid_key_id=None)
        for key in VapidKey.objects.filter(tenant=app.tenant_id, app=app.id, retired_at=None):
            credentials_open(app_id=app.id, version=app.version, vapid_key_id=key.id)
    except AppUnavailable as error:
        return str(error)
    return ""


def _sns_fault(app: AppToVerify) -> str:
    credentials = cast(SnsCredentials, credentials_open(app_id=app.id, version=app.version, vapid_key_id=None))
    try:
        state = credentials_verify(credentials=credentials, platform_application_arn=app.platform_application_arn)
    except SnsRetry:
        raise
    except SnsError as error:
        return error.code
    return "" if state.enabled else "PlatformApplicationDisabled"


VERIFICATION = LeasedWork(name="app verification", claim=_claim, calls=one_by_one(_call), settle=_settle)
