"""What travels through the engine: a picked lane, the deliveries claimed from it, and what each of them becomes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from notifications.engine.scan_cursor import ScanCursor
from notifications.states import DeliveryClass, DeliveryState, SuspectKind
from providers.base import Provider
from providers.types import Credentials, Message, Push


@dataclass(frozen=True, slots=True)
class AppVersion:
    """What sending needs to know about an app. `version` is part of the key of every cache of its credentials."""

    id: UUID
    version: int
    provider: Provider
    sns_platform: str
    region: str
    account_id: str = ""


@dataclass(frozen=True, slots=True)
class PickedLane:
    """A lane that may claim now.

    `cap` is the tenant's own limit, in deliveries per second. `credentials`, by VAPID key, are kept for this claim: a
    delivery then costs one look-up.
    """

    id: int
    tenant_id: UUID
    app: AppVersion
    cap: int | None = None
    delivery_class: DeliveryClass = DeliveryClass.BULK
    cursor: ScanCursor = field(default_factory=ScanCursor, repr=False)
    credentials: dict[UUID | None, Credentials] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class NotificationSnapshot:
    """What the deliveries of one notification share. Times are Unix seconds of the database's clock.

    The sender fills in `message`: it is looked up once for each claim, not once for each delivery.
    """

    id: UUID
    tenant_id: UUID
    cancelled: bool
    ttl: int
    expires_at: float
    started_at: float
    message: Message | None = None


class ClaimRow(NamedTuple):
    """The columns of `sql.CLAIM`. Those of the device are None when its row is gone; so is `same_generation`."""

    id: UUID
    notification_id: UUID
    device_id: int
    attempt: int
    present: bool
    same_generation: bool | None
    token_version: int
    endpoint_state: str
    mapping_id: str
    push_origin: str
    sealed: bytes
    endpoint_arn: str
    vapid_key_id: UUID | None
    generation: int
    last_due_at: datetime | None


@dataclass(slots=True)
class ClaimedDelivery:
    """One claimed delivery. `deadline` (monotonic) is the last moment at which it may be submitted."""

    id: UUID
    lease: UUID
    lane: PickedLane
    snapshot: NotificationSnapshot
    attempt: int
    device_id: int
    generation: int
    token_version: int
    mapping_id: str
    host: str
    sealed: bytes = field(repr=False)
    endpoint_arn: str = field(repr=False)
    vapid_key_id: UUID | None
    deadline: float
    sent_at: float = 0.0  # monotonic
    push: Push | None = None
    keys_left: list[UUID] | None = None  # VAPID keys still to try, if the registration did not name the key


@dataclass(slots=True)
class Settlement:
    """What a claimed delivery becomes. `wait` is in seconds, for QUEUED; `counted`: an attempt was made."""

    delivery: ClaimedDelivery
    state: DeliveryState
    reason: str = ""
    wait: float = 0.0
    counted: bool = False
    message_id: str = ""
    misconfigured: str = ""  # why the whole app is to be paused
    gone: bool = False  # the vendor says that the endpoint no longer exists
    suspect_as: SuspectKind | None = None  # not to be believed if the vendor gives this outcome for most devices
    vapid_key_id: UUID | None = None  # the key that proved to be the subscription's


@dataclass(slots=True)
class Claimed:
    """`now`: Unix seconds of the database's clock. `rate_limited`: less was claimed than may be due."""

    deliveries: list[ClaimedDelivery]
    settled: list[Settlement]
    now: float
    rate_limited: bool = False

    @property
    def count(self) -> int:
        return len(self.deliveries) + len(self.settled)


class Gate(Protocol):
    """Keeps back claimed deliveries that must not be sent now. Methods raise DatabaseError; repeating them is safe."""

    def refresh(self) -> None:
        """Read again what is kept back, if the last reading is too old."""

    def divert(self, deliveries: Sequence[ClaimedDelivery]) -> Sequence[ClaimedDelivery]:
        """Divert the deliveries that are kept back. Returns the deliveries that may be sent."""

    def accepted(self, delivery: ClaimedDelivery) -> None:
        """The vendor accepted this delivery."""

    def flush(self, *, now: bool = False) -> None:
        """Store how many deliveries were accepted: at intervals, or at once if `now`."""
