"""Why a push did (not) arrive, and what to do: a plain sentence for every state, a sharper one for known reasons.

For somebody with ten seconds. A test proves that no state and no reason of ours is missing.
"""

from dataclasses import dataclass

from django.utils import timezone

from devices.models import AppState, Device, EndpointState
from notifications.holds.models import Hold
from notifications.models import Lane
from notifications.states import CancelReason, DeliveryState, HoldKind
from outgoing.types import FailureKind


@dataclass(frozen=True, slots=True)
class Explanation:
    what: str
    remedy: str


S = DeliveryState

STATES: dict[DeliveryState, Explanation] = {
    S.QUEUED: Explanation(
        "It waits for its due time, for the device's endpoint to become active, or for its lane's turn.",
        "Long overdue? See whether the lane is paused, the app misconfigured, or no worker running.",
    ),
    S.SENDING: Explanation(
        "A worker is handing it to the vendor right now.",
        "If it stays so for minutes, the worker died: another one takes it when the lease ends, by itself.",
    ),
    S.ACCEPTED: Explanation(
        "The vendor took responsibility for it. Nobody but the device knows whether it arrived.",
        "Not seen? The device may be off or offline, notifications may be switched off for the app or the site, "
        "or the client does not send receipts.",
    ),
    S.DELIVERED: Explanation("The device said that it got the message and showed it.", "Nothing to do."),
    S.OPENED: Explanation("The person opened it.", "Nothing to do."),
    S.UNDELIVERED: Explanation(
        "The vendor accepted it and told us later that it could not bring it to the device.",
        "See the reason, which is the vendor's own word; the device's endpoint shows whether it was disabled for it.",
    ),
    S.REJECTED: Explanation(
        "The vendor will never take this message for this device.",
        "See the reason, which is the vendor's own word, and mend the content or the registration.",
    ),
    S.GONE: Explanation(
        "The endpoint no longer exists: the app was removed, or the browser's permission taken back.",
        "Nothing to do: the device comes back by itself when its app registers again.",
    ),
    S.EXPIRED: Explanation(
        "Its time ran out before the vendor took it.",
        "Give it a longer `ttl`, or see why it waited: a paused lane, an app out of order, too few workers.",
    ),
    S.CANCELLED: Explanation("It was taken back before it was sent.", "See the reason."),
    S.SUPPRESSED: Explanation(
        "The person does not want messages of this kind, or not at this hour.", "Nothing to do: this is their choice."
    ),
    S.DEAD: Explanation(
        "All retries are used up: the vendor could not be reached, or kept asking to come back later.",
        "See the reason, mend its cause, then redrive the notification.",
    ),
}

CANCEL_REASONS: dict[CancelReason, Explanation] = {
    CancelReason.USER_CHANGED: Explanation(
        "The device was handed to somebody else, or its user logged out, before it was sent.",
        "Nothing to do: the new user must not see it. Send again if the person has another device.",
    ),
    CancelReason.NOTIFICATION_CANCELLED: Explanation(
        "The notification was cancelled before this delivery was sent.",
        "Send a new notification if that was a mistake.",
    ),
    CancelReason.DEVICE_REMOVED: Explanation(
        "The device was deleted, retired or erased before it was sent.",
        "Nothing to do: it comes back when its app registers again.",
    ),
}

TRANSPORT: dict[FailureKind, Explanation] = {
    FailureKind.TIMEOUT: Explanation(
        "The vendor did not answer in time.", "See the vendor's status page and this machine's network."
    ),
    FailureKind.CONNECT: Explanation(
        "No connection to the vendor could be opened.", "Check the firewall: workers need outgoing TCP port 443."
    ),
    FailureKind.DNS: Explanation("The vendor's name could not be resolved.", "Check this machine's DNS."),
    FailureKind.REFUSED_ADDRESS: Explanation(
        "The push endpoint's name leads to an address that is not allowed, such as a private network.",
        "If it is meant, add the network to PUSHHUB_ALLOWED_PRIVATE_NETWORKS.",
    ),
    FailureKind.TLS: Explanation(
        "The vendor's certificate could not be verified.",
        "Check this machine's clock and CA certificates, and that no proxy breaks TLS open.",
    ),
    FailureKind.RESET: Explanation("The connection broke before the vendor answered.", "Usually passing: redrive it."),
    FailureKind.TOO_LARGE: Explanation(
        "The vendor's answer was larger than we read.", "Check that the endpoint is a push service and not a web page."
    ),
    FailureKind.OTHER: Explanation("The connection failed.", "See the worker's log at the time of the last attempt."),
}


# The engine's own words beside the vendors': `endpoint_<state>` is the device's endpoint when its turn came.
REASONS: dict[str, Explanation] = {
    "endpoint_pending": Explanation(
        "The device's SNS endpoint is still being created or given its new token.",
        "Usually seconds. Longer: see the device's page, the app's state, and whether a registry worker is running.",
    ),
    "endpoint_disabled": Explanation(
        "The device's endpoint had been switched off when its turn came.",
        "See the device's page for the reason; a new token from its app revives it.",
    ),
    "endpoint_gone": Explanation(
        "The vendor had already said that the endpoint no longer exists.",
        "Nothing to do: the device comes back by itself when its app registers again.",
    ),
    "endpoint_none": Explanation("The device had been deleted.", "Nothing to do."),
    "endpoint_unreadable": Explanation(
        "The device's endpoint could not be decrypted.",
        "A key is missing from PUSHHUB_ENCRYPTION_KEYS of the workers: put it back.",
    ),
    "app_unavailable": Explanation(
        "The app's credentials could not be opened or used.",
        "See the app's page for the reason, mend its credentials, then verify the app.",
    ),
    "credentials_pending": Explanation(
        "AWS has not answered yet with the credentials to send it with.",
        "By itself, when STS or SSM answers. For long: see the app's role or parameter, and whether AWS is in trouble.",
    ),
    "expired": Explanation(
        "Its time ran out before its turn came.",
        "Give it a longer `ttl`, or see why it waited: a paused lane, an app out of order, too few workers.",
    ),
    "PayloadTooLarge": Explanation(
        "The rendered payload was over the vendor's limit for this device.", "Shorten the content."
    ),
    "held": Explanation(
        "The vendor refused our credentials for many devices, or said of most that they are gone: it is held back.",
        "See the hold of its app and push origin for since when and why.",
    ),
    "expired_held": Explanation(
        "Its time ran out while it was held back, because the vendor's answers could not be believed.",
        "See the holds of its app. Give what may wait longer a longer `ttl`.",
    ),
    "leases_lost": Explanation(
        "Workers died or hung again and again while they had it in hand.",
        "See the workers' logs for crashes and out-of-memory kills, then redrive the notification.",
    ),
}


def explain(*, state: str, reason: str) -> Explanation:
    """The sentence for `state`, or the sharper one for a `reason` of ours; a vendor's own word is quoted beside it."""
    if state == S.CANCELLED and reason in CancelReason.values:
        return CANCEL_REASONS[CancelReason(reason)]
    if reason in REASONS:
        return REASONS[reason]
    kind = reason.removeprefix("transport:")
    if reason.startswith("transport:") and kind in set(FailureKind):
        return _joined(STATES[DeliveryState(state)], TRANSPORT[FailureKind(kind)])
    return STATES[DeliveryState(state)]


def explain_waiting(*, device: Device | None, lane: Lane | None, hold: Hold | None = None) -> Explanation | None:
    """What a queued delivery waits for, looked up now; None if nothing is in its way but its due time.

    `hold` is the one that fills the lane.
    """
    if device is None or device.deleted_at is not None:
        return CANCEL_REASONS[CancelReason.DEVICE_REMOVED]
    if hold is not None:
        return explain_hold(hold)
    if lane is not None and lane.paused_at is not None:
        return Explanation(f"Its lane is paused: {lane.paused_reason or 'by an operator'}.", "Resume the lane.")
    if lane is not None and lane.rate_limited_until is not None and lane.rate_limited_until > timezone.now():
        return Explanation(
            "Its tenant's cap of deliveries per second, or the AWS account's quota, is used up for the moment.",
            "It goes out in its turn. Granted more? See the rate_limits, and the tenant's deliveries_per_second.",
        )
    if device.app.state != AppState.ACTIVE:
        why = device.app.state_reason or "no reason was given"
        return Explanation(
            f"The app {device.app.name} is {device.app.state}: {why}.", "Mend its credentials, then verify the app."
        )
    if device.endpoint_state == EndpointState.PENDING:
        return REASONS["endpoint_pending"]
    return None


HELD: dict[HoldKind, Explanation] = {
    HoldKind.CREDENTIALS: Explanation(
        "the push service refuses our credentials",
        "Mend the app's VAPID key or this machine's clock, then verify the app. One delivery at a time is tried; the "
        "first that is accepted releases all.",
    ),
    HoldKind.GONE_SPIKE: Explanation(
        "the push service said of most devices at once that they are gone",
        "Find out whether that is so, then decide on the hold's page: they were fine, or they are gone.",
    ),
}


def explain_hold(hold: Hold) -> Explanation:
    if hold.released_at is not None:
        return Explanation("It was held back, and is on its way to its lane again.", "Nothing to do.")
    why = HELD[HoldKind(hold.kind)]
    counts = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in sorted(hold.evidence.items()))
    return Explanation(
        f"It is held since {hold.since:%Y-%m-%d %H:%M} UTC, with all of {hold.app.name} to {hold.push_origin}, because "
        f"{why.what}: {hold.reason} ({counts}).",
        why.remedy,
    )


def _joined(general: Explanation, sharp: Explanation) -> Explanation:
    return Explanation(f"{general.what} {sharp.what}", sharp.remedy)
