"""Whether the vendor takes an app's credentials: asked by a worker, never within a request."""

import logging
from typing import cast

from django.db import connection

from devices.credentials import AppUnavailable, CredentialsPending, credentials_open
from devices.models import App, VapidKey
from devices.services.apps import app_verified
from devices.sql import AppToVerify, apps_to_verify_claim
from providers.sns.access import SnsError, SnsRetry
from providers.sns.endpoints import credentials_verify
from providers.types import SnsCredentials

logger = logging.getLogger(__name__)

BATCH = 10


def apps_verify_step() -> int:
    """Try the credentials of a few due apps. How many were due. One that cannot be told yet is due a minute later."""
    with connection.cursor() as cursor:
        due = apps_to_verify_claim(cursor, limit=BATCH)
    for app in due:
        try:
            app_verified(app_id=app.id, version=app.version, reason=_fault(app))
        except (SnsRetry, CredentialsPending):
            continue
        except Exception:  # one app's trouble must not keep the others from being verified
            logger.exception("an app could not be verified", extra={"app": str(app.id)})
    return len(due)


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
