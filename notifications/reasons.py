"""Why a delivery waits or has ended: every reason that pushhub itself writes, with a sentence.

`Delivery.reason` also holds the vendors' own codes, which the tables of the providers explain (`Provider.codes`).
`docs/reasons.md` is generated from both.
"""

from django.db.models import TextChoices


class DeliveryReason(TextChoices):
    """The value is stored and part of the API. The label is the sentence for readers, in the past tense: it stays true
    when the delivery is read later."""

    # Cancelled.
    USER_CHANGED = (
        "user_changed",
        "The device was given to another user, or its user logged out, before the message was sent.",
    )
    NOTIFICATION_CANCELLED = "notification_cancelled", "The notification was cancelled before the message was sent."
    DEVICE_REMOVED = "device_removed", "The device was deleted, retired or erased before the message was sent."

    # What it waited for. These reasons stay when it expires.
    ENDPOINT_PENDING = "endpoint_pending", "The vendor had not yet created or updated the device's endpoint."
    CREDENTIALS_PENDING = "credentials_pending", "AWS had not yet answered with the app's credentials."
    APP_UNAVAILABLE = "app_unavailable", "The app's credentials could not be used."
    APP_DISABLED = "app_disabled", "The app was disabled."
    ENDPOINT_UNREADABLE = "endpoint_unreadable", "The device's endpoint could not be decrypted."
    HELD = "held", "It was held: the vendor's answers for the app and push origin could not be trusted."
    LANE_PAUSED = "lane_paused", "An operator had paused its lane."
    # Stored with the name of the error, as `internal:KeyError`.
    INTERNAL = "internal", "An error in pushhub prevented the message from being prepared."

    # Ended.
    EXPIRED = "expired", "It expired before its turn came."
    ENDPOINT_GONE = "endpoint_gone", "The vendor had reported earlier that the device's endpoint no longer exists."
    ENDPOINT_DISABLED = "endpoint_disabled", "The device's endpoint was disabled when its turn came."
    ENDPOINT_NONE = "endpoint_none", "The device had been deleted and had no endpoint any more."
    LEASES_LOST = "leases_lost", "More than ten workers stopped while they were sending it."


def reason_of(stored: str) -> DeliveryReason | None:
    """The reason in a `Delivery.reason`; None for a vendor's code."""
    if stored.startswith(f"{DeliveryReason.INTERNAL}:"):
        return DeliveryReason.INTERNAL
    return DeliveryReason(stored) if stored in DeliveryReason.values else None
