"""Every type of event: when it is recorded, and which fields its data has. `docs/events.md` is generated from this."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

Kind = type[str] | type[int] | type[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class DataField:
    """A field of an event's data. `person`: it holds a tenant's id of a user, which an erasure makes null."""

    meaning: str
    kind: Kind = str
    nullable: bool = False
    person: bool = False

    def accepts(self, value: object) -> bool:
        return isinstance(value, self.kind) or (value is None and (self.nullable or self.person))


def _user(meaning: str, *, nullable: bool = False) -> DataField:
    return DataField(meaning, nullable=nullable, person=True)


_NAME: Final = DataField("the app's name")
_PROVIDER: Final = DataField("the app's provider, such as `webpush`")
_VENDOR_REASON: Final = DataField("the vendor's own word")
_HELD: Final = {
    "kind": DataField("`credentials` or `gone_spike`"),
    "push_origin": DataField("the push origin, such as `https://fcm.googleapis.com`"),
}
_JOB: Final = {"kind": DataField("`import` or `export`"), "reason": DataField("why it failed; empty otherwise")}
_AVATAR: Final = {
    "user_id": _user("the user's id"),
    "state": DataField("the avatar's state"),
    "reason": DataField("the avatar's reason, which may be empty"),
}


class EventType(StrEnum):
    """The stored strings never change their meaning. `notice`: an operator should see the event in the admin."""

    when: str
    fields: Mapping[str, DataField]
    notice: bool

    def __new__(
        cls, value: str, when: str = "", fields: Mapping[str, DataField] | None = None, notice: bool = False
    ) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.when, member.fields, member.notice = when, fields or {}, notice
        return member

    DEVICE_REGISTERED = (
        "device.registered",
        "A device is new, by its own registration or by an import; or it returned under another app.",
        {
            "user_id": _user("the user's id, or null", nullable=True),
            "platform": DataField("the device's platform"),
            "app": _NAME,
        },
    )
    DEVICE_USER_CHANGED = (
        "device.user_changed",
        "The device was handed over to another user, or its user logged in or out.",
        {
            "from": _user("the id of the user before, or null", nullable=True),
            "to": _user("the id of the user after, or null", nullable=True),
        },
    )
    DEVICE_REMOVED = (
        "device.removed",
        "The device was removed.",
        {"reason": DataField("`deleted`, `app_changed`, `token_moved` (to another device), `erased` or `unseen`")},
    )
    DEVICE_GONE = (
        "device.gone",
        "The vendor reports that the endpoint no longer exists, or an operator confirmed it after a gone spike.",
        {"reason": _VENDOR_REASON},
    )
    DEVICE_DISABLED = (
        "device.disabled",
        "The endpoint is switched off: by the vendor, because SNS refuses its token, or by an operator.",
        {"reason": DataField("the vendor's own word, or `operator`")},
    )
    DEVICE_SUSPECT = (
        "device.suspect",
        "The endpoint was reported as gone in a gone spike. The report is not trusted until an operator has decided.",
        {"reason": _VENDOR_REASON},
    )
    DEVICE_ACTIVE = (
        "device.active",
        "An operator decided that a suspect device can be reached, or switched a browser on again.",
        {"reason": DataField("empty, or `operator`")},
    )
    DEVICE_PENDING = (
        "device.pending",
        "An operator switched a phone on again. Its SNS endpoint is verified first.",
        {"reason": DataField("`operator`")},
    )
    DEVICES_RETIRED = (
        "devices.retired",
        "Devices were not seen for `PUSHHUB_DEVICE_RETIRE_DAYS` and were removed. Each also has its `device.removed`. "
        "This event has no subject.",
        {"count": DataField("how many devices", int)},
        True,
    )

    APP_CREATED = "app.created", "The app was created.", {"name": _NAME, "provider": _PROVIDER}
    APP_DELETED = "app.deleted", "The app was deleted.", {"name": _NAME, "provider": _PROVIDER}
    APP_MISCONFIGURED = (
        "app.misconfigured",
        "The vendor refuses the credentials. The app is paused, and its credentials are verified again automatically.",
        {"name": _NAME, "reason": _VENDOR_REASON},
        True,
    )
    APP_DISABLED = (
        "app.disabled",
        "The tenant switched the app off.",
        {"name": _NAME, "reason": DataField("the reason that was given, which may be empty")},
    )
    APP_ACTIVE = (
        "app.active",
        "The app's credentials verify again, or the tenant switched it on. Deliveries that waited are sent.",
        {"name": _NAME, "reason": DataField("empty")},
    )
    APP_VAPID_ROTATED = (
        "app.vapid_rotated",
        "Browsers are offered a new VAPID key.",
        {"key_id": DataField("the id of the new key")},
    )
    APP_CALLBACKS_CONFIRMED = (
        "app.callbacks_confirmed",
        "The subscription of the app's callback URL to an SNS topic is confirmed.",
    )
    APP_HELD = (
        "app.held",
        "The app's deliveries to a push origin are held.",
        {**_HELD, "reason": _VENDOR_REASON},
        True,
    )
    APP_RELEASED = (
        "app.released",
        "Held deliveries are released: by a success, or by an operator's decision.",
        {**_HELD, "outcome": DataField("`resumed`, `sent_again` or `gone`")},
        True,
    )

    NOTIFICATION_COMPLETED = (
        "notification.completed",
        "No delivery of the notification is open. Recorded again after a redrive, or after a hold restored deliveries.",
        {"counts": DataField("deliveries by state, without zeros", dict)},
    )
    NOTIFICATION_DEAD = (
        "notification.dead",
        "The retries of deliveries are used up. Recorded as they end: a notification may have several of these events.",
        {"deliveries": DataField("how many deliveries", int)},
    )

    JOB_COMPLETED = "job.completed", "The job is done.", _JOB
    JOB_FAILED = "job.failed", "The job failed.", _JOB
    JOB_CANCELLED = "job.cancelled", "The job was cancelled.", _JOB

    AVATAR_APPROVED = "avatar.approved", "The avatar is shown.", _AVATAR
    AVATAR_REJECTED = "avatar.rejected", "The avatar is not shown, or no longer.", _AVATAR
    AVATAR_IN_REVIEW = "avatar.in_review", "The avatar waits for a person's decision.", _AVATAR
    AVATAR_FAILED = "avatar.failed", "The avatar could not be processed.", _AVATAR
    AVATAR_SUPERSEDED = "avatar.superseded", "A newer picture of the same user took the avatar's place."
    AVATAR_DELETED = "avatar.deleted", "The avatar was deleted."
    USER_ERASED = "user.erased", "`DELETE /v1/users/{user_id}` is done: erase the person from your data as well."

    DEFAULT_PARTITION = (
        "operations.default_partition",
        "Deliveries of the tenant lie in no day's partition: the operator has to look. Recorded once a day at most. "
        "This event has no subject.",
        None,
        True,
    )

    def check(self, data: Mapping[str, Any]) -> None:
        """Raises ValueError for data that differs from what the type declares: a defect of the code that records it."""
        if data.keys() != self.fields.keys():
            raise ValueError(f"{self.value} has the fields {sorted(self.fields)}, not {sorted(data)}")
        for name, field in self.fields.items():
            if not field.accepts(data[name]):
                raise ValueError(f"{self.value}: {name} is not {field.kind.__name__}")


# Fields that hold a tenant's id of a person. An erasure makes them null.
PEOPLE: Final = ("user_id", "from", "to")
