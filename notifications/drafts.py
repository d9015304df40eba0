"""What a tenant asks to be sent, checked and with its defaults filled in, but not yet accepted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from notifications.models import Notification
from notifications.states import DeliveryClass, NotificationState
from providers.types import Urgency
from tenants.models import Tenant

DEFAULT_TTL = 86_400  # a day: longer than a night without network, but after it most messages are out of date
MAX_TTL = 2_419_200  # four weeks: what FCM keeps at most, and SNS's own default
HAND_OVER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationDraft:
    """`to` has exactly one of users, devices, topic, all; `content` includes `overrides`; `ttl` is in seconds."""

    to: Mapping[str, Any] = field(repr=False)
    content: Mapping[str, Any] = field(repr=False)
    delivery_class: DeliveryClass = DeliveryClass.TRANSACTIONAL
    category: str = ""
    ttl: int = DEFAULT_TTL
    urgency: Urgency = Urgency.NORMAL
    collapse_key: str = ""
    silent: bool = False
    rate: int | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None

    def build(self, *, tenant: Tenant, now: datetime) -> Notification:
        """The row, unsaved."""
        scheduled = self.send_at is not None and self.send_at > now
        return Notification(
            tenant=tenant,
            to=dict(self.to),
            content=dict(self.content),
            delivery_class=self.delivery_class,
            category=self.category,
            ttl=self.ttl,
            urgency=self.urgency.value,
            collapse_key=self.collapse_key,
            silent=self.silent,
            rate=self.rate,
            send_at=self.send_at if scheduled else None,
            expires_at=self._expiry(self.send_at if scheduled and self.send_at else now),
            state=NotificationState.SCHEDULED if scheduled else NotificationState.QUEUED,
        )

    def _expiry(self, start: datetime) -> datetime:
        """`ttl` counts from the start. A short one (0 = now or never, RFC 8030 §5.2) is about the vendor's queue:
        we keep a minute to hand the message over."""
        expiry = start + max(timedelta(seconds=self.ttl), HAND_OVER)
        return min(expiry, self.expires_at) if self.expires_at else expiry
