"""What the dispatcher needs to send: a device's endpoint and an app's credentials, opened. Nothing opened is stored."""

import json
import os
from functools import lru_cache
from uuid import UUID

import boto3

from devices.models import App, VapidKey
from devices.sealing import credentials_unseal, endpoint_unseal, subscription_unseal
from providers.errors import Unsendable
from providers.sns.access import AWS_FAILURES, CONFIG, PENDING_WAIT
from providers.sns.aside import Aside, StillAsking
from providers.types import (
    Credentials,
    Endpoint,
    Outcome,
    SendResult,
    SnsCredentials,
    SnsEndpoint,
    StubCredentials,
    StubEndpoint,
    WebPushCredentials,
)
from providers.webpush.base64url import b64url_decode
from pushhub.kernel.crypto import SealBroken, unseal
from pushhub.kernel.purposes import Purpose


class AppUnavailable(Exception):
    """The app has no usable credentials: it was removed, or its secrets cannot be read."""


class CredentialsPending(Unsendable):
    """The app's secrets are being read from elsewhere: ask again soon."""

    def __init__(self) -> None:
        super().__init__(SendResult(outcome=Outcome.RETRY, error_code="ParameterPending", retry_after=PENDING_WAIT))


def endpoint_open(*, provider: str, sealed: bytes, endpoint_arn: str, sns_platform: str) -> Endpoint:
    """The address of one device. For SNS the ARN is all it takes. Raises SealBroken."""
    if provider == App.Provider.SNS:
        return SnsEndpoint(endpoint_arn=endpoint_arn, platform=sns_platform)
    if provider == App.Provider.STUB:
        return StubEndpoint(token=endpoint_unseal(sealed)["token"])
    return subscription_unseal(sealed)


@lru_cache(maxsize=4096)
def credentials_open(*, app_id: UUID, version: int, vapid_key_id: UUID | None) -> Credentials:
    """The credentials of an app at `version` (of one of its VAPID keys, for web push).

    Kept per process under exactly these arguments: a changed credential has another version and so another entry.
    Call it outside transactions: an app on an SSM parameter reads it over the network, once per version. Raises
    AppUnavailable, CredentialsPending.
    """
    try:
        if vapid_key_id is not None:
            return _vapid_open(VapidKey.objects.get(id=vapid_key_id, app_id=app_id))
        app = App.objects.get(id=app_id)
        if app.provider == App.Provider.STUB:
            return StubCredentials(url=_secrets(app)["url"])
        return _sns_open(app, version)
    except (App.DoesNotExist, VapidKey.DoesNotExist) as error:
        raise AppUnavailable("the app or its VAPID key was removed") from error
    except SealBroken as error:
        raise AppUnavailable("the app's secrets do not open with PUSHHUB_ENCRYPTION_KEYS") from error


def _vapid_open(key: VapidKey) -> WebPushCredentials:
    return WebPushCredentials(
        key_id=str(key.id),
        private_key=unseal(bytes(key.private_key_sealed), purpose=Purpose.VAPID_PRIVATE_KEY),
        public_key=b64url_decode(key.public_key),
        sub=key.contact,
    )


def _sns_open(app: App, version: int) -> SnsCredentials:
    """`ExternalId` is the tenant's id: a role that trusts one tenant cannot be used by another (confused deputy)."""
    key = (str(app.id), version)
    match app.credential_kind:
        case App.CredentialKind.ROLE:
            return SnsCredentials(
                cache_key=key, region=app.region, role_arn=app.role_arn, external_id=str(app.tenant_id)
            )
        case App.CredentialKind.AMBIENT:
            return SnsCredentials(cache_key=key, region=app.region, ambient=True)
    secrets = _parameter(app, version) if app.credential_kind == App.CredentialKind.PARAMETER else _secrets(app)
    try:
        access_key, secret = secrets["access_key_id"], secrets["secret_access_key"]
    except KeyError as error:
        raise AppUnavailable("the app's secret lacks access_key_id or secret_access_key") from error
    return SnsCredentials(cache_key=key, region=app.region, access_key=access_key, secret=secret)


def _secrets(app: App) -> dict[str, str]:
    if app.credentials_sealed is None:
        raise AppUnavailable("the app has no credentials")
    return credentials_unseal(bytes(app.credentials_sealed))


def _parameter(app: App, version: int) -> dict[str, str]:
    try:
        return _parameter_reading(os.getpid(), app.id, version, app.region, app.parameter_name).result()
    except StillAsking:
        raise CredentialsPending from None


@lru_cache(maxsize=512)
def _parameter_reading(_process: int, _app: UUID, _version: int, region: str, name: str) -> Aside[dict[str, str]]:
    """Kept for exactly these arguments: a fork has no part in a thread of its parent's."""
    return Aside(lambda: _parameter_read(region, name))


def _parameter_read(region: str, name: str) -> dict[str, str]:
    """SSM Parameter Store, by the server's own identity: `{"access_key_id", "secret_access_key"}` as JSON."""
    try:
        ssm = boto3.Session(region_name=region).client("ssm", config=CONFIG)
        answer = ssm.get_parameter(Name=name, WithDecryption=True)
        secrets: dict[str, str] = json.loads(answer["Parameter"]["Value"])
    except (*AWS_FAILURES, ValueError, KeyError):
        raise AppUnavailable("the SSM parameter cannot be read") from None
    return secrets
