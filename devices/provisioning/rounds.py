"""The calls that one device needs at its vendor, in rounds: one round of calls, then the endpoint is recorded as the
device's own, then perhaps another round.

A round runs in a thread and touches no database. `endpoint_own`, between two rounds, runs in the worker's own thread.
"""

import logging
import time
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db import connection, transaction

from devices.credentials import credentials_open
from devices.models import EndpointState
from devices.provisioning.sql import (
    APP_PAUSED_RETRY,
    ClaimedDevice,
    ProvisionSettlement,
    provision_own,
)
from devices.sealing import endpoint_unseal
from providers.errors import AddressRejected, AppUnavailable, CredentialsPending, VendorMisconfigured, VendorRetry
from providers.registry import provider_get
from providers.types import Credentials
from pushhub.kernel.backoff import Backoff, spread

logger = logging.getLogger(__name__)

CALLS = 3  # of one round, usually: create, read, set
ROUNDS = 3  # create; the vendor names another endpoint; that one has just been deleted: then retry later
BACKOFF = Backoff(base=2.0, cap=900.0)
SOON = (0.2, 1.2)  # seconds; longer than a worker trusts what it has read of a device


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionRound:
    """A device's next calls. Its `endpoint_arn` is its own, or was named by the vendor in the round before."""

    device: ClaimedDevice
    credentials: Credentials
    left: int = ROUNDS

    def named(self, endpoint_arn: str) -> "ProvisionRound":
        return replace(self, device=replace(self.device, endpoint_arn=endpoint_arn), left=self.left - 1)


def round_begin(device: ClaimedDevice) -> ProvisionRound | ProvisionSettlement:
    """The first round, with the app's credentials. Raises nothing: a failure is a settlement."""
    try:
        credentials = credentials_open(app_id=device.app_id, version=device.app_version, vapid_key_id=None)
    except AppUnavailable as error:
        return _misconfigured(device, str(error))
    except CredentialsPending:
        return _retry(device)
    except Exception as error:
        return _internal_error(device, error)
    return ProvisionRound(device=device, credentials=credentials)


def round_call(this: ProvisionRound) -> ProvisionSettlement | ProvisionRound:
    """Call the vendor. Raises nothing: a failure is a settlement."""
    device = this.device
    try:
        if not this.left or time.monotonic() > device.start_by:
            raise VendorRetry("EndpointUnstable")
        return _delete(this) if device.deleted else _ensure(this)
    except AddressRejected as error:
        if device.deleted:
            return ProvisionSettlement(claimed=device)  # the token has no endpoint in this app: nothing to delete
        return ProvisionSettlement(claimed=device, state=EndpointState.DISABLED, reason=error.code)
    except VendorMisconfigured as error:
        return _misconfigured(device, error.code)
    except VendorRetry as error:
        return _retry(device, retry_after=error.after)
    except Exception as error:
        return _internal_error(device, error)


def endpoint_own(this: ProvisionRound) -> ProvisionSettlement | ProvisionRound:
    """Record the endpoint that the vendor named as the device's own. The round for it, or a settlement when it cannot
    be the device's."""
    device = this.device
    with transaction.atomic(), connection.cursor() as cursor:
        owned = provision_own(cursor, claimed=device, endpoint_arn=device.endpoint_arn)
    if owned:
        return replace(this, device=owned)
    return ProvisionSettlement(claimed=device) if device.deleted else settle_soon(device)


def settle_soon(device: ClaimedDevice) -> ProvisionSettlement:
    """Nothing has failed, but another call or another worker goes first."""
    return ProvisionSettlement(claimed=device, after=timedelta(seconds=spread(*SOON)), attempts=device.attempts)


def _ensure(this: ProvisionRound) -> ProvisionSettlement | ProvisionRound:
    device = this.device
    endpoint = provider_get(device.provider).provisioner.ensure(
        credentials=this.credentials,
        app=device.app,
        address=endpoint_unseal(device.endpoint_sealed or b"", provider=device.provider),
        known=device.endpoint_arn,
    )
    if not endpoint.ready:
        return this.named(endpoint.endpoint_arn)
    return ProvisionSettlement(claimed=device, state=EndpointState.ACTIVE, verified=True)


def _delete(this: ProvisionRound) -> ProvisionSettlement | ProvisionRound:
    """A tombstone without an ARN may have an endpoint, from a call whose response was lost: its token finds it."""
    device = this.device
    if not device.endpoint_arn and device.endpoint_sealed:
        return _ensure(this)
    if device.endpoint_arn:
        provisioner = provider_get(device.provider).provisioner
        provisioner.delete(credentials=this.credentials, endpoint_arn=device.endpoint_arn)
    return ProvisionSettlement(claimed=device)


def _internal_error(device: ClaimedDevice, error: Exception) -> ProvisionSettlement:
    """The vendor refused nothing."""
    logger.error("provisioning failed", exc_info=error, extra={"device": device.id})
    return _retry(device, extra_doublings=2)


def _misconfigured(device: ClaimedDevice, reason: str) -> ProvisionSettlement:
    return ProvisionSettlement(claimed=device, after=APP_PAUSED_RETRY, attempts=device.attempts, misconfigured=reason)


def _retry(device: ClaimedDevice, *, retry_after: float | None = None, extra_doublings: int = 0) -> ProvisionSettlement:
    """Try again later. `retry_after`: the seconds that the vendor asked for, never undercut."""
    seconds = BACKOFF.full_jitter(device.attempts + extra_doublings, retry_after=retry_after)
    return ProvisionSettlement(claimed=device, after=timedelta(seconds=seconds), attempts=device.attempts + 1)
