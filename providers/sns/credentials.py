"""The credentials of an SNS app: its own keys, a role, the server's identity, or keys kept in SSM Parameter Store."""

import json
import os
from collections.abc import Callable, Mapping
from functools import lru_cache

import boto3

from providers.apps import AppRecord, CredentialKind
from providers.errors import AppUnavailable, CredentialsPending
from providers.sns.access import AWS_FAILURES, CONFIG, PENDING_WAIT
from providers.sns.background import BackgroundCall, StillRunning
from providers.sns.types import SnsCredentials


def credentials_build(app: AppRecord, *, secrets: Callable[[], Mapping[str, str]]) -> SnsCredentials:
    """`ExternalId` is the tenant's id: a role that trusts one tenant cannot be used by another (confused deputy).

    An app on an SSM parameter reads it over the network, once per version. Raises AppUnavailable, CredentialsPending.
    """
    key = (app.id, app.version)
    match app.credential_kind:
        case CredentialKind.ROLE:
            return SnsCredentials(cache_key=key, region=app.region, role_arn=app.role_arn, external_id=app.tenant_id)
        case CredentialKind.AMBIENT:
            return SnsCredentials(cache_key=key, region=app.region, ambient=True)
    found = _parameter(app) if app.credential_kind == CredentialKind.PARAMETER else secrets()
    try:
        access_key, secret = found["access_key_id"], found["secret_access_key"]
    except KeyError as error:
        raise AppUnavailable("the app's secret lacks access_key_id or secret_access_key") from error
    return SnsCredentials(cache_key=key, region=app.region, access_key=access_key, secret=secret)


def _parameter(app: AppRecord) -> dict[str, str]:
    try:
        return _parameter_reading(os.getpid(), app.id, app.version, app.region, app.parameter_name).result()
    except StillRunning:
        raise CredentialsPending(code="ParameterPending", after=PENDING_WAIT) from None


@lru_cache(maxsize=512)
def _parameter_reading(
    _process: int, _app: str, _version: int, region: str, name: str
) -> BackgroundCall[dict[str, str]]:
    """Kept for exactly these arguments: a forked process does not have its parent's threads."""
    return BackgroundCall(lambda: _parameter_read(region, name))


def _parameter_read(region: str, name: str) -> dict[str, str]:
    """`{"access_key_id", "secret_access_key"}` as JSON, read by the server's own identity."""
    try:
        ssm = boto3.Session(region_name=region).client("ssm", config=CONFIG)
        reply = ssm.get_parameter(Name=name, WithDecryption=True)
        secrets: dict[str, str] = json.loads(reply["Parameter"]["Value"])
    except (*AWS_FAILURES, ValueError, KeyError):
        raise AppUnavailable("the SSM parameter cannot be read") from None
    return secrets
