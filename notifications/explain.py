"""Why a push did or did not arrive, and what to do about it, in one or two sentences.

Everything here is computed from the values given: the admin, the API and the demo page show the same sentences. A test
proves that no state, no `DeliveryReason` and no code of a provider is missing.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from devices.models import AppState, Device, EndpointState
from notifications.holds.models import Hold
from notifications.models import Delivery, Lane
from notifications.reasons import DeliveryReason, reason_of
from notifications.states import DeliveryState, HoldKind
from providers.base import Provider
from providers.errors import Rule, rule_find
from providers.types import Outcome


@dataclass(frozen=True, slots=True)
class Explanation:
    """`what` happened, or is in the way, and a `remedy`: one or two sentences each."""

    what: str
    remedy: str


S = DeliveryState
R = DeliveryReason
_NOTHING = "Nothing to do."
_REGISTERS_AGAIN = "Nothing to do: the device is reached again when its app registers again."
_WAITED = "Use a longer `ttl`, or find out why it waited: a paused lane, a rate limit, or too few workers."
_CREDENTIALS = "See the reason on the app's page, repair its credentials, then verify the app."

# `{vendor}` is the provider's name in a sentence.
STATES: dict[DeliveryState, Explanation] = {
    S.QUEUED: Explanation(
        "It waits for its lane's turn.",
        "If it is long overdue, check whether the lane is paused, the app is misconfigured, or no worker is running.",
    ),
    S.SENDING: Explanation(
        "A worker is sending it to {vendor} now.",
        "If this lasts for minutes, its worker has stopped: another worker sends it when the lease ends.",
    ),
    S.ACCEPTED: Explanation(
        "{vendor} accepted it. Only the device can report whether it arrived.",
        "If it was not seen: the device may be off or offline, notifications may be switched off for the app or the "
        "site, or the client sends no receipts.",
    ),
    S.DELIVERED: Explanation("The device reported that it received the message.", _NOTHING),
    S.OPENED: Explanation("The person opened it.", _NOTHING),
    S.UNDELIVERED: Explanation(
        "{vendor} accepted it and reported later that it did not arrive.",
        "The device's page shows whether its endpoint was disabled for this reason.",
    ),
    S.REJECTED: Explanation(
        "{vendor} does not accept this message for this device.", "Correct the content or the registration."
    ),
    S.GONE: Explanation(
        "The endpoint no longer exists: the app was removed, or the browser's permission was withdrawn.",
        _REGISTERS_AGAIN,
    ),
    S.EXPIRED: Explanation("It expired before {vendor} accepted it.", _WAITED),
    S.CANCELLED: Explanation("It was cancelled before it was sent.", _NOTHING),
    S.SUPPRESSED: Explanation(
        "The person does not want messages of this kind, or not at this time.", "Nothing to do: the person decides."
    ),
    S.DEAD: Explanation("All retries are used up.", "Fix the cause, then redrive the notification."),
}

REMEDIES: dict[DeliveryReason, str] = {
    R.USER_CHANGED: "Nothing to do: the new user must not see it. Send it again if the person has another device.",
    R.NOTIFICATION_CANCELLED: "Send a new notification if it was cancelled by mistake.",
    R.DEVICE_REMOVED: _REGISTERS_AGAIN,
    R.ENDPOINT_PENDING: "Usually this takes seconds. If it lasts, see the device's page and the app's state, and check "
    "that a registry worker is running.",
    R.CREDENTIALS_PENDING: "It continues when STS or SSM answers. If it lasts, check the app's role or parameter, and "
    "the AWS Health Dashboard.",
    R.APP_UNAVAILABLE: _CREDENTIALS,
    R.APP_DISABLED: "Enable the app.",
    R.ENDPOINT_UNREADABLE: "An operator restores the missing key in PUSHHUB_ENCRYPTION_KEYS of the workers.",
    R.HELD: "See the holds of its app. Use a longer `ttl` for messages that may wait longer.",
    R.LANE_PAUSED: "An operator can resume the lane.",
    R.INTERNAL: "An operator finds the error in the log of the workers.",
    R.EXPIRED: _WAITED,
    R.ENDPOINT_GONE: _REGISTERS_AGAIN,
    R.ENDPOINT_DISABLED: "See the reason on the device's page. A new token from its app enables the endpoint again.",
    R.ENDPOINT_NONE: _NOTHING,
    R.LEASES_LOST: "An operator checks the logs of the workers for crashes and kills for lack of memory. Then redrive "
    "the notification.",
}

# What a delivery waited for, as it continues "It expired at 19:29:00 UTC …".
WAITS: dict[DeliveryReason, str] = {
    R.ENDPOINT_PENDING: "while it waited for {vendor} to create or update the device's endpoint",
    R.CREDENTIALS_PENDING: "while it waited for AWS to answer with the app's credentials",
    R.APP_UNAVAILABLE: "while the app's credentials could not be used",
    R.APP_DISABLED: "while the app was disabled",
    R.ENDPOINT_UNREADABLE: "because the device's endpoint could not be decrypted",
    R.HELD: "after it had been held, because the vendor's answers for the app and push origin could not be trusted",
    R.LANE_PAUSED: "while its lane was paused",
    R.INTERNAL: "because an error in pushhub prevented it from being prepared",
}

# The outcomes of an attempt that lead to a state: they choose among the meanings of a code.
_OUTCOMES: dict[DeliveryState, frozenset[Outcome]] = {
    S.QUEUED: frozenset({Outcome.RETRY, Outcome.MISCONFIGURED}),
    S.EXPIRED: frozenset({Outcome.RETRY, Outcome.MISCONFIGURED}),
    S.DEAD: frozenset({Outcome.RETRY}),
    S.GONE: frozenset({Outcome.ENDPOINT_GONE}),
    S.REJECTED: frozenset({Outcome.REJECTED, Outcome.MISCONFIGURED}),
}
_ORDINALS = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_SILENT = {S.SENDING, S.ACCEPTED, S.DELIVERED, S.SUPPRESSED}  # an earlier reason says nothing about these


def explain(
    *,
    state: str,
    reason: str,
    now: datetime,
    provider: Provider | None = None,
    attempts: int = 0,
    due_at: datetime | None = None,
    expires_at: datetime | None = None,
    obstacle: Explanation | None = None,
) -> Explanation:
    """Why a delivery is in this state. `obstacle` is what keeps a queued delivery from being sent now."""
    state, vendor = DeliveryState(state), provider.vendor if provider else "the vendor"
    if state is S.QUEUED and obstacle is not None:
        return obstacle
    cause = _cause(state, reason, provider, attempts) if reason and state not in _SILENT else None
    what = _what(state, reason, cause, due_at=due_at, expires_at=expires_at, now=now).replace("{vendor}", vendor)
    return Explanation(what[:1].upper() + what[1:], (cause and cause.remedy) or STATES[state].remedy)


def _what(
    state: DeliveryState,
    reason: str,
    cause: Explanation | None,
    *,
    due_at: datetime | None,
    expires_at: datetime | None,
    now: datetime,
) -> str:
    own = reason_of(reason)
    match state:
        case S.QUEUED:
            next_try = _next_try(due_at, now, again=cause is not None)
            return f"{cause.what} {next_try}" if cause else next_try
        case S.EXPIRED:
            at = f" at {_moment(expires_at, now)}" if expires_at else ""
            if own in WAITS:
                return f"It expired{at} {WAITS[own]}."
            if own or cause is None:
                return f"It expired{at} before its turn came."
            return f"{cause.what} It expired{at} before another attempt."
        case S.DEAD if cause and own is None:
            return f"{cause.what} {STATES[S.DEAD].what}"
        case S.OPENED if reason.startswith("action:"):
            return f"The person opened it with the button “{reason.removeprefix('action:')}”."
    return cause.what if cause else STATES[state].what


def _next_try(due_at: datetime | None, now: datetime, *, again: bool) -> str:
    if due_at is None:
        return STATES[S.QUEUED].what
    if due_at <= now:
        return f"It has been due since {_moment(due_at, now)} and waits for its lane's turn."
    return f"{'Next try' if again else 'It is due'} at {_moment(due_at, now)}."


def _cause(state: DeliveryState, reason: str, provider: Provider | None, attempts: int) -> Explanation | None:
    if state is S.OPENED:
        return None
    own = reason_of(reason)
    if own is not None:
        return Explanation(own.label, REMEDIES[own])
    rule = rule_find(provider.codes if provider else {}, reason, _OUTCOMES.get(state, ()))
    return Explanation(_vendor_sentence(state, reason, rule, attempts), rule.remedy if rule else "")


def _vendor_sentence(state: DeliveryState, code: str, rule: Rule | None, attempts: int) -> str:
    """“The push service answered 503 to the third attempt: it has an internal problem.”"""
    nth = _ordinal(attempts)
    if rule is not None and not rule.answered:
        return f"The {nth} attempt failed: {rule.why}." if nth else f"The attempt failed: {rule.why}."
    why = f": {rule.why}" if rule else ""
    code = code.removeprefix("http ")
    if state is S.UNDELIVERED:
        return f"{{vendor}} accepted it and reported later {code}{why}."
    return f"{{vendor}} answered {code}{f' to the {nth} attempt' if nth else ''}{why}."


def _ordinal(attempts: int) -> str:
    if attempts < 2:
        return ""
    return _ORDINALS[attempts - 2] if attempts - 2 < len(_ORDINALS) else f"{attempts}th"


def _moment(moment: datetime, now: datetime) -> str:
    """In UTC, with the date unless it is today's."""
    moment, today = moment.astimezone(UTC), now.astimezone(UTC).date()
    return f"{moment:%H:%M:%S} UTC" if moment.date() == today else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def obstacle_find(
    *, delivery: Delivery, device: Device | None, lane: Lane | None, hold: Hold | None, now: datetime
) -> Explanation | None:
    """What keeps a queued delivery from being sent now; None if it only waits for its due time and its lane's turn.

    `hold` is the one that fills the lane. `lane.app` is read.
    """
    if device is None or device.deleted_at is not None:
        return Explanation(R.DEVICE_REMOVED.label, REMEDIES[R.DEVICE_REMOVED])
    if device.generation != delivery.generation:
        return Explanation(R.USER_CHANGED.label, REMEDIES[R.USER_CHANGED])
    if hold is not None:
        return explain_hold(hold, now=now)
    if lane is not None and lane.paused_at is not None:
        return Explanation("An operator has paused its lane.", REMEDIES[R.LANE_PAUSED])
    if lane is not None and lane.rate_limited_until is not None and lane.rate_limited_until > now:
        return Explanation(
            "The limit of deliveries per second is used up for the moment. It is the tenant's limit, or the quota of "
            "the AWS account.",
            "Nothing to do: it is sent in its turn. An operator can raise the limit if AWS has granted more.",
        )
    if lane is not None and lane.app.state != AppState.ACTIVE:
        why = f": {lane.app.state_reason}" if lane.app.state_reason else ""
        remedy = REMEDIES[R.APP_DISABLED] if lane.app.state == AppState.DISABLED else _CREDENTIALS
        return Explanation(f"The app {lane.app.name} is {lane.app.state}{why}.", remedy)
    if device.endpoint_state == EndpointState.PENDING:
        return Explanation("The device's endpoint is still being created or updated.", REMEDIES[R.ENDPOINT_PENDING])
    return None


HELD: dict[HoldKind, Explanation] = {
    HoldKind.CREDENTIALS: Explanation(
        "the push service refuses the app's credentials",
        "Repair the app's VAPID key, or the clock of the workers, then verify the app. One delivery at a time is "
        "tried; the first that is accepted releases all.",
    ),
    HoldKind.GONE_SPIKE: Explanation(
        "the push service reported most devices as gone at once",
        "An operator finds out whether they are gone, and releases or confirms the hold on its page.",
    ),
}


def explain_hold(hold: Hold, *, now: datetime) -> Explanation:
    """`hold.app` is read."""
    if hold.released_at is not None:
        return Explanation("It was held. The hold has been released, and it goes back to its lane.", _NOTHING)
    why = HELD[HoldKind(hold.kind)]
    counts = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in sorted(hold.evidence.items()))
    return Explanation(
        f"It has been held since {_moment(hold.since, now)}, with all deliveries of {hold.app.name} to "
        f"{hold.push_origin}, because {why.what}: {hold.reason} ({counts}).",
        why.remedy,
    )
