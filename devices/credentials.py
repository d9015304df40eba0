"""What sending needs, opened: a device's endpoint and an app's credentials. Nothing opened is stored."""

from functools import lru_cache
from uuid import UUID

from devices.models import App, VapidKey
from devices.sealing import credentials_unseal
from providers.apps import AppRecord
from providers.base import Provider
from providers.errors import AppUnavailable
from providers.keys import KeyPair
from providers.registry import provider_get
from providers.types import Credentials, Endpoint
from pushhub.kernel.crypto import SealBroken, unseal
from pushhub.kernel.purposes import Purpose


def endpoint_open(*, provider: Provider, sealed: bytes, endpoint_arn: str, platform: str) -> Endpoint:
    """The address of one device. A provisioned endpoint is reached by its vendor's name alone. Raises SealBroken."""
    packed = b"" if provider.requires_provisioning else unseal(sealed, purpose=Purpose.ENDPOINT)
    return provider.address.endpoint(packed, endpoint_arn, platform)


@lru_cache(maxsize=4096)
def credentials_open(*, app_id: UUID, version: int, vapid_key_id: UUID | None) -> Credentials:
    """The credentials of an app at `version`; for an app with several keys, with that key.

    Kept per process under exactly these arguments: a changed credential has another version and so another entry.
    Call it outside transactions: some apps' secrets are read over the network, once per version. Raises
    AppUnavailable, CredentialsPending.
    """
    try:
        app = App.objects.get(id=app_id)
        key = None if vapid_key_id is None else _key_pair(VapidKey.objects.get(id=vapid_key_id, app_id=app_id))
        scheme = provider_get(app.provider).app
        return scheme.credentials(app_record(app, version=version), secrets=lambda: _secrets(app), key=key)
    except (App.DoesNotExist, VapidKey.DoesNotExist) as error:
        raise AppUnavailable("the app or its VAPID key was removed") from error
    except SealBroken as error:
        raise AppUnavailable("the app's secrets do not open with PUSHHUB_ENCRYPTION_KEYS") from error


def app_record(app: App, *, version: int | None = None) -> AppRecord:
    """The app as its provider sees it."""
    return AppRecord(
        id=str(app.id),
        tenant_id=str(app.tenant_id),
        version=app.version if version is None else version,
        platform_application_arn=app.platform_application_arn,
        sns_platform=app.sns_platform,
        account_id=app.account_id,
        region=app.region,
        credential_kind=app.credential_kind,
        role_arn=app.role_arn,
        parameter_name=app.parameter_name,
    )


def _key_pair(key: VapidKey) -> KeyPair:
    private = unseal(bytes(key.private_key_sealed), purpose=Purpose.VAPID_PRIVATE_KEY)
    return KeyPair(id=str(key.id), private=private, public=key.public_key, contact=key.contact)


def _secrets(app: App) -> dict[str, str]:
    if app.credentials_sealed is None:
        raise AppUnavailable("the app has no credentials")
    return credentials_unseal(bytes(app.credentials_sealed))
