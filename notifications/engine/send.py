"""Send claimed deliveries: check their mapping again, open what is sealed, encrypt, submit."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from django.db import DatabaseError, InterfaceError

from devices.credentials import credentials_open, endpoint_open
from devices.handover import BELIEVED_SECONDS
from devices.models import VapidKey
from notifications.engine import sql
from notifications.engine.message_cache import MessageCache
from notifications.engine.outcome import APP_PAUSE
from notifications.engine.session import execute
from notifications.engine.types import AppVersion, ClaimedDelivery, Settlement
from notifications.engine.window import InFlightWindow
from notifications.models import Notification
from notifications.reasons import DeliveryReason
from notifications.receipts import receipt_token
from notifications.states import DeliveryState
from providers.base import Provider
from providers.errors import AppUnavailable, Unsendable
from providers.types import Credentials, Outcome, Push, SendResult
from pushhub.kernel.crypto import SealBroken

logger = logging.getLogger(__name__)

GROUP: Final = 16  # deliveries opened and prepared together: web push agrees on keys for eight at a time
PREPARING: Final = 0.01  # seconds to encrypt and submit a group: mappings must be valid for longer than that
KEYS_KEPT: Final = 30.0  # seconds an app's list of VAPID keys is reused
UNREADABLE_WAIT: Final = 300.0  # an encryption key is missing, until an operator adds it

ToSettlement = Callable[[ClaimedDelivery, SendResult], Settlement]
Mappings = dict[int, tuple[int, int]]  # device → (generation, token version)


class Sender:
    """`to_settlement` makes a settlement of a result: some deliveries fail before they are submitted."""

    def __init__(self, window: InFlightWindow, *, to_settlement: ToSettlement) -> None:
        self._window = window
        self._settlement = to_settlement
        self._messages = MessageCache()
        self._keys: dict[tuple[UUID, int], tuple[float, list[UUID]]] = {}
        self.urgent_due = False  # when the mappings were last read: a transactional lane may claim

    def send(self, deliveries: Sequence[ClaimedDelivery], *, now: float, settled: Callable[[Settlement], None]) -> None:
        """Submit a batch. Deliveries that must not or cannot be sent go to `settled`. `now`: Unix, database's clock.

        Raises DatabaseError or InterfaceError. What was not submitted is in the window again then.
        """
        mappings: Mappings = {}
        valid_until = 0.0
        for done in range(0, len(deliveries), GROUP):
            group = deliveries[done : done + GROUP]
            try:
                # First, because it may query the database for each delivery, and mappings are valid only briefly.
                opened = [self._open(delivery, now) for delivery in group]
                if time.monotonic() > valid_until - PREPARING:
                    # Counted from before the query: a mapping may change before the result arrives.
                    valid_until = time.monotonic() + BELIEVED_SECONDS
                    mappings = self._read_mappings(deliveries)
            except (DatabaseError, InterfaceError):
                for unsent in deliveries[done:]:
                    self._window.add(unsent)
                raise
            checked = [
                _check_mapping(delivery, mappings.get(delivery.device_id)) or settlement
                for delivery, settlement in zip(group, opened, strict=True)
            ]
            _prepare([delivery for delivery, settlement in zip(group, checked, strict=True) if settlement is None])
            for delivery, settlement in zip(group, checked, strict=True):
                settlement = settlement or self._submit(delivery, valid_until)
                if settlement is not None:
                    settled(settlement)

    def next_key_take(self, delivery: ClaimedDelivery, result: SendResult) -> bool:
        """Give `delivery` the next VAPID key to try, if the push service refused this one. Whether there was one."""
        if result.outcome is not Outcome.MISCONFIGURED or not delivery.keys_left:
            return False
        delivery.vapid_key_id = delivery.keys_left.pop(0)
        return True

    def _read_mappings(self, deliveries: Sequence[ClaimedDelivery]) -> Mappings:
        rows = execute(sql.GENERATIONS, {"ids": [delivery.device_id for delivery in deliveries]})
        self.urgent_due = bool(rows and rows[0][3])
        return {device_id: (generation, token_version) for device_id, generation, token_version, _ in rows}

    def _open(self, delivery: ClaimedDelivery, now: float) -> Settlement | None:
        try:
            delivery.push = self._push(delivery, now)
        except (DatabaseError, InterfaceError):
            raise
        except Exception as error:
            return self._unsent(delivery, error)
        return None

    def _submit(self, delivery: ClaimedDelivery, valid_until: float) -> Settlement | None:
        if time.monotonic() > delivery.deadline:
            # This process stood still for long: the lease might expire before the response. Nothing was sent.
            return Settlement(delivery, DeliveryState.QUEUED)
        assert delivery.push is not None
        try:
            request = delivery.lane.app.provider.request(delivery.push)
        except Exception as error:
            return self._unsent(delivery, error)
        if time.monotonic() > valid_until:
            # This process stood still in between: the device may have another user by now. The payload is dropped, and
            # the delivery is claimed again.
            return Settlement(delivery, DeliveryState.QUEUED)
        self._window.submit(delivery, request)
        return None

    def _unsent(self, delivery: ClaimedDelivery, error: Exception) -> Settlement:
        match error:
            case Unsendable(result=SendResult(outcome=Outcome.RETRY) as result):
                # Nothing was tried: AWS has not yet answered with the credentials.
                wait = result.retry_after or APP_PAUSE
                return Settlement(delivery, DeliveryState.QUEUED, DeliveryReason.CREDENTIALS_PENDING, wait=wait)
            case Unsendable():
                return self._settlement(delivery, error.result)
            case AppUnavailable():
                return Settlement(
                    delivery,
                    DeliveryState.QUEUED,
                    DeliveryReason.APP_UNAVAILABLE,
                    wait=APP_PAUSE,
                    misconfigured=str(error),
                )
            case SealBroken():
                logger.error("an endpoint does not open with PUSHHUB_ENCRYPTION_KEYS")
                unreadable = DeliveryReason.ENDPOINT_UNREADABLE
                return Settlement(delivery, DeliveryState.QUEUED, unreadable, wait=UNREADABLE_WAIT)
            case Notification.DoesNotExist():
                return Settlement(delivery, DeliveryState.CANCELLED, DeliveryReason.NOTIFICATION_CANCELLED)
        # A delivery that raises an unexpected error must not stop the others. No text: it might quote a secret.
        logger.error("a delivery could not be prepared", extra={"error": type(error).__name__})
        code = f"{DeliveryReason.INTERNAL}:{type(error).__name__}"
        return self._settlement(delivery, SendResult(outcome=Outcome.RETRY, error_code=code))

    def _push(self, delivery: ClaimedDelivery, now: float) -> Push:
        """Raises AppUnavailable, SealBroken, Notification.DoesNotExist."""
        app, snapshot = delivery.lane.app, delivery.snapshot
        if snapshot.message is None:
            snapshot.message = self._messages.get(snapshot.id)
        credentials = self._credentials(delivery)
        return Push(
            message=snapshot.message,
            mapping_id=delivery.mapping_id,
            delivery_id=str(delivery.id),
            receipt=receipt_token(delivery.id),
            ttl=min(snapshot.ttl, max(0, int(snapshot.expires_at - now))),
            endpoint=endpoint_open(
                provider=app.provider,
                sealed=delivery.sealed,
                endpoint_arn=delivery.endpoint_arn,
                platform=app.sns_platform,
            ),
            credentials=credentials,
        )

    def _credentials(self, delivery: ClaimedDelivery) -> Credentials:
        app = delivery.lane.app
        if delivery.vapid_key_id is None and app.provider.has_alternate_keys:
            first, *others = self._live_keys(app)
            delivery.vapid_key_id, delivery.keys_left = first, others
        known = delivery.lane.credentials.get(delivery.vapid_key_id)
        if known is None:
            known = credentials_open(app_id=app.id, version=app.version, vapid_key_id=delivery.vapid_key_id)
            delivery.lane.credentials[delivery.vapid_key_id] = known
        return known

    def _live_keys(self, app: AppVersion) -> list[UUID]:
        """Newest first, at least one. Raises AppUnavailable."""
        now = time.monotonic()
        since, keys = self._keys.get((app.id, app.version), (0.0, []))
        if not keys or now - since > KEYS_KEPT:
            live = VapidKey.objects.filter(app_id=app.id, retired_at=None).order_by("-created_at")
            keys = list(live.values_list("id", flat=True))
            self._keys[app.id, app.version] = now, keys
        if not keys:
            raise AppUnavailable("the app has no VAPID key")
        return keys


def _prepare(deliveries: Sequence[ClaimedDelivery]) -> None:
    pushes: dict[Provider, list[Push]] = {}
    for delivery in deliveries:
        if delivery.push is not None:
            pushes.setdefault(delivery.lane.app.provider, []).append(delivery.push)
    for provider, group in pushes.items():
        try:
            provider.prepare(group)
        except Exception as error:  # `request` works without it
            logger.error("deliveries could not be prepared together", extra={"error": type(error).__name__})


def _check_mapping(delivery: ClaimedDelivery, mapping: tuple[int, int] | None) -> Settlement | None:
    """A delivery made for an earlier user is never encrypted. One with an earlier endpoint is claimed again."""
    if mapping is None:
        return Settlement(delivery, DeliveryState.CANCELLED, DeliveryReason.DEVICE_REMOVED)
    generation, token_version = mapping
    if generation != delivery.generation:
        return Settlement(delivery, DeliveryState.CANCELLED, DeliveryReason.USER_CHANGED)
    if token_version != delivery.token_version:
        return Settlement(delivery, DeliveryState.QUEUED)
    return None
