"""Request bodies of the notification routes. Rules about several fields are in `validate`."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from typing_extensions import override

from notifications.drafts import DEFAULT_TTL, MAX_TTL, NotificationDraft
from notifications.states import DeliveryClass
from providers.types import Urgency
from pushhub.http.api import JsonObjectField, LocaleField, MomentField, SafeTextField, StrictSerializer, UserIdField
from pushhub.kernel.database import database_now

MAX_RECIPIENTS = 1000
MAX_ACTIONS = 4  # browsers show two or three, iOS four
SEND_AHEAD = timedelta(days=30)
TOPIC_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~%-]*")
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):[^\s]+")
LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}


class LinkField(SafeTextField):
    """An absolute https URL (http on this machine only) or, with `app_scheme`, a deep link such as acme://order/7. The
    services check whether the tenant has registered its scheme."""

    default_error_messages = {"link": "Must be an absolute https URL{or_scheme}."}

    def __init__(self, *, app_scheme: bool = False, **options: Any) -> None:
        self._app_scheme = app_scheme
        super().__init__(**{"max_length": 2048, **options})

    @override
    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if not self._fits(value):
            self.fail("link", or_scheme=" or a link with your app's own scheme" if self._app_scheme else "")
        return value

    def _fits(self, value: str) -> bool:
        try:
            host = urlsplit(value).hostname
        except ValueError:
            return False
        found = SCHEME.fullmatch(value)
        if found is None:
            return False
        match found[1].lower():
            case "https":
                return bool(host)
            case "http":
                return host in LOCAL_HOSTS  # only for a developer's own machine
            case _:
                return self._app_scheme


class TopicNameField(SafeTextField):
    default_error_messages = {"topic": "Use only letters, digits and . _ ~ % -, and start with a letter or digit."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 100, **options})

    @override
    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if not TOPIC_NAME.fullmatch(value):
            self.fail("topic")
        return value


class UsersField(serializers.ListField):
    def __init__(self, **options: Any) -> None:
        super().__init__(child=UserIdField(), max_length=MAX_RECIPIENTS, **options)


class DevicesField(serializers.ListField):
    def __init__(self, **options: Any) -> None:
        super().__init__(child=serializers.UUIDField(), max_length=MAX_RECIPIENTS, **options)


class AudienceSerializer(StrictSerializer):
    """Exactly one member. Unknown users and devices make an empty audience, not an error."""

    users = UsersField(required=False, min_length=1)
    devices = DevicesField(required=False, min_length=1)
    topic = TopicNameField(required=False)
    all = serializers.BooleanField(required=False)

    @override
    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and "filter" in data:
            raise ValidationError({"filter": ["Not available yet: send to users, devices, a topic or all."]})
        return super().to_internal_value(data)

    @override
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise ValidationError("Name exactly one of users, devices, topic, all.")
        if attrs.get("all") is False:
            raise ValidationError({"all": ["Must be true or left out."]})
        for name in attrs.keys() & {"users", "devices"}:
            attrs[name] = list(dict.fromkeys(map(str, attrs[name])))
        return attrs


class ActionSerializer(StrictSerializer):
    id = serializers.RegexField(r"\A[A-Za-z0-9._-]+\Z", max_length=64)
    title = SafeTextField(max_length=100)
    icon = LinkField(required=False)


class ContentSerializer(StrictSerializer):
    title = SafeTextField(required=False, max_length=500)
    body = SafeTextField(required=False, max_length=4000, multiline=True)
    url = LinkField(required=False, app_scheme=True)
    icon = LinkField(required=False)
    image = LinkField(required=False)
    actions = serializers.ListField(child=ActionSerializer(), required=False, max_length=MAX_ACTIONS)
    badge = serializers.IntegerField(required=False, min_value=0, max_value=99_999)
    data = JsonObjectField(required=False)  # type: ignore[assignment]  # a field of that name, not the property
    lang = LocaleField(required=False)
    dir = serializers.ChoiceField(["auto", "ltr", "rtl"], required=False)

    def validate_actions(self, actions: list[dict[str, str]]) -> list[dict[str, str]]:
        if len({action["id"] for action in actions}) < len(actions):
            raise ValidationError("Each action needs an id of its own.")
        return actions


class OverridesSerializer(StrictSerializer):
    """Merged last into the vendor's payload, verbatim: for fields that pushhub does not have."""

    apns = JsonObjectField(required=False)
    fcm = JsonObjectField(required=False)
    webpush = JsonObjectField(required=False)


class NotificationSerializer(StrictSerializer):
    to = AudienceSerializer()
    content = ContentSerializer()
    overrides = OverridesSerializer(required=False)
    category = SafeTextField(required=False, max_length=64)
    ttl = serializers.IntegerField(
        required=False,
        default=DEFAULT_TTL,
        min_value=0,
        max_value=MAX_TTL,
        help_text="Seconds for which the vendor may keep it while the device is offline; 0 = do not keep it.",
    )
    urgency = serializers.ChoiceField([urgency.value for urgency in Urgency], default=Urgency.NORMAL.value)
    collapse_key = SafeTextField(
        required=False, max_length=64, help_text="A newer notification with the same key replaces one that still waits."
    )
    silent = serializers.BooleanField(default=False, help_text="Wake the app, show nothing.")
    send_at = MomentField(required=False, help_text="At most 30 days ahead; a time in the past means now.")
    expires_at = MomentField(required=False, help_text="No attempt is made after it, even if `ttl` would allow one.")
    rate = serializers.IntegerField(
        required=False, min_value=1, max_value=1_000_000, help_text="The maximum number of deliveries per second."
    )
    dry_run = serializers.BooleanField(
        default=False, help_text="Check and render it, without storing or sending anything."
    )

    @override
    def get_fields(self) -> dict[str, Any]:
        """`class` cannot be the name of a class attribute."""
        return super().get_fields() | {
            "class": serializers.ChoiceField(
                DeliveryClass.values,
                required=False,
                help_text="`transactional` (the default for users and devices, refused for others) goes before `bulk`.",
            )
        }

    @override
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        wide = attrs["to"].keys() & {"topic", "all"}
        attrs.setdefault("class", DeliveryClass.BULK if wide else DeliveryClass.TRANSACTIONAL)
        if wide and attrs["class"] == DeliveryClass.TRANSACTIONAL:
            raise ValidationError({"class": ["Only notifications to users or devices can be transactional."]})
        if not attrs["silent"] and not attrs["content"].get("title"):
            raise ValidationError({"content": {"title": ["Required unless the notification is silent."]}})
        _times_check(database_now(), attrs.get("send_at"), attrs.get("expires_at"))
        return attrs


def _times_check(now: datetime, send_at: datetime | None, expires_at: datetime | None) -> None:
    if send_at is not None and send_at > now + SEND_AHEAD:
        raise ValidationError({"send_at": [f"At most {SEND_AHEAD.days} days ahead."]})
    if expires_at is not None and expires_at <= max(now, send_at or now):
        raise ValidationError({"expires_at": ["Must be in the future and after send_at."]})


def draft_build(body: Mapping[str, Any]) -> NotificationDraft:
    """From the validated body."""
    overrides = {"overrides": body["overrides"]} if body.get("overrides") else {}
    return NotificationDraft(
        to=body["to"],
        content=body["content"] | overrides,
        delivery_class=DeliveryClass(body["class"]),
        category=body.get("category", ""),
        ttl=body["ttl"],
        urgency=Urgency(body["urgency"]),
        collapse_key=body.get("collapse_key", ""),
        silent=body["silent"],
        rate=body.get("rate"),
        send_at=body.get("send_at"),
        expires_at=body.get("expires_at"),
    )


class SubscribersSerializer(StrictSerializer):
    users = UsersField(required=False, default=list)
    devices = DevicesField(required=False, default=list)

    @override
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not 1 <= len(attrs["users"]) + len(attrs["devices"]) <= MAX_RECIPIENTS:
            raise ValidationError(f"Name 1 to {MAX_RECIPIENTS} users and devices together.")
        return attrs


class ReceiptSerializer(StrictSerializer):
    token = serializers.CharField(max_length=64, trim_whitespace=False, help_text="`pushhub.receipt` of the payload.")
    event = serializers.ChoiceField(["displayed", "opened", "dismissed", "action"])
    action = serializers.RegexField(
        r"\A[A-Za-z0-9._-]+\Z", max_length=64, required=False, help_text="The id of the action taken."
    )


class ReceiptsSerializer(StrictSerializer):
    receipts = serializers.ListField(child=ReceiptSerializer(), min_length=1, max_length=100)
