"""The states of a delivery and of a notification: one enum, a sentence each, and which step may follow which.

`docs/lifecycle.md` draws this table. Ranks make it monotonic: updates may arrive in any order (a receipt or a vendor's
callback before the worker settles), and none gives a delivery a lower rank.
"""

from django.db.models import TextChoices


class DeliveryState(TextChoices):
    QUEUED = "queued"  # waits for its due time, its endpoint, or its lane
    SENDING = "sending"  # claimed by a worker under a lease; the vendor may or may not have it
    ACCEPTED = "accepted"  # the vendor took responsibility; whether the device got it is not known
    DELIVERED = "delivered"  # the client said that it was received or shown
    OPENED = "opened"  # the client said that the person opened it
    UNDELIVERED = "undelivered"  # accepted, and the vendor reported later that it did not arrive
    REJECTED = "rejected"  # the vendor does not accept this message for this endpoint
    GONE = "gone"  # the endpoint no longer exists
    EXPIRED = "expired"  # it expired before the vendor accepted it
    CANCELLED = "cancelled"  # cancelled before it was sent: see the reason
    SUPPRESSED = "suppressed"  # reserved: preferences do not exist yet
    DEAD = "dead"  # retries are used up; kept, listed, redrivable

    @property
    def rank(self) -> int:
        return RANKS[self]


class NotificationState(TextChoices):
    SCHEDULED = "scheduled"  # waits for send_at
    QUEUED = "queued"  # accepted; its audience is not completely expanded
    SENDING = "sending"  # expanded; some deliveries are open
    COMPLETED = "completed"  # every delivery is accepted, has ended, or waits only for a receipt
    CANCELLED = "cancelled"  # cancelled; what was sent stays sent


class DeliveryClass(TextChoices):
    TRANSACTIONAL = "transactional"
    BULK = "bulk"


class HoldKind(TextChoices):
    """Why the deliveries of an app and push origin are held."""

    CREDENTIALS = "credentials"  # refused for many devices without a success; the first accepted delivery releases it
    GONE_SPIKE = "gone_spike"  # the vendor says that most endpoints are gone; an operator decides


class HoldOutcome(TextChoices):
    """How a hold ended."""

    RESUMED = "resumed"  # the vendor accepted a delivery again
    SENT_AGAIN = "sent_again"  # an operator: the devices are fine
    GONE = "gone"  # an operator: the devices are gone


class SuspectKind(TextChoices):
    """An outcome that is believed of a single device, but not of most devices at once."""

    GONE = "gone"
    REFUSED = "refused"


S = DeliveryState

RANKS: dict[DeliveryState, int] = {
    S.QUEUED: 0,
    S.SENDING: 1,
    S.EXPIRED: 2,
    S.CANCELLED: 2,
    S.SUPPRESSED: 2,
    S.REJECTED: 2,
    S.GONE: 2,
    S.DEAD: 2,
    S.ACCEPTED: 3,
    S.UNDELIVERED: 4,
    S.DELIVERED: 5,
    S.OPENED: 6,
}

# Ends in which the message did not arrive.
FAILED = (S.UNDELIVERED, S.REJECTED, S.GONE, S.EXPIRED, S.CANCELLED, S.SUPPRESSED, S.DEAD)

_UPDATES = {S.ACCEPTED, S.UNDELIVERED, S.DELIVERED, S.OPENED}

TRANSITIONS: dict[DeliveryState, frozenset[DeliveryState]] = {
    S.QUEUED: frozenset({S.SENDING, S.EXPIRED, S.CANCELLED, S.SUPPRESSED, S.GONE} | _UPDATES),
    S.SENDING: frozenset({S.QUEUED, S.REJECTED, S.GONE, S.EXPIRED, S.CANCELLED, S.DEAD} | _UPDATES),
    S.EXPIRED: frozenset(_UPDATES),
    S.CANCELLED: frozenset(_UPDATES),
    S.SUPPRESSED: frozenset(),
    S.REJECTED: frozenset({S.QUEUED} | _UPDATES),
    S.GONE: frozenset({S.QUEUED} | _UPDATES),
    S.DEAD: frozenset({S.QUEUED} | _UPDATES),
    S.ACCEPTED: frozenset({S.UNDELIVERED, S.DELIVERED, S.OPENED}),
    S.UNDELIVERED: frozenset({S.DELIVERED, S.OPENED}),
    S.DELIVERED: frozenset({S.OPENED}),
    S.OPENED: frozenset(),
}
