"""The shapes of this room's bodies."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from devices.models import App, AppState, EndpointState, Platform
from devices.types import PROFILE_FIELDS, UNSET, DeviceRegistration
from pushhub.http.api import JsonObjectField, ListQuery, LocaleField, SafeTextField, StrictSerializer, TimezoneField
from pushhub.http.fields import UserIdField

NAME = r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$"
_SUBSCRIPTION: dict[str, Any] = {
    "type": "object",
    "description": "PushSubscription.toJSON(), unchanged.",
    "properties": {
        "endpoint": {"type": "string", "format": "uri"},
        "expirationTime": {"type": ["integer", "null"]},
        "keys": {
            "type": "object",
            "properties": {"p256dh": {"type": "string"}, "auth": {"type": "string"}},
            "required": ["p256dh", "auth"],
        },
    },
    "required": ["endpoint", "keys"],
}


@extend_schema_field(_SUBSCRIPTION)
class SubscriptionField(JsonObjectField):
    """Read by providers.webpush.subscription; only its size is checked here."""


class ProfileSerializer(StrictSerializer):
    """What a device may say about itself. What is not mentioned stays as it is."""

    locale = LocaleField(required=False, allow_blank=True)
    timezone = TimezoneField(required=False, allow_blank=True)
    app_version = SafeTextField(required=False, allow_blank=True, max_length=64)
    os_version = SafeTextField(required=False, allow_blank=True, max_length=64)
    attributes = JsonObjectField(required=False, help_text="The tenant's own, for filters.")
    tags = serializers.ListField(child=SafeTextField(max_length=64), required=False, max_length=50)


class DeviceUpdateSerializer(ProfileSerializer):
    user_id = UserIdField(required=False, allow_null=True, help_text="null logs out.")
    device_secret = SafeTextField(required=False, max_length=200)


class DeviceRegistrationSerializer(ProfileSerializer):
    platform = serializers.ChoiceField(Platform.values)
    app = SafeTextField(
        required=False, max_length=63, help_text="Name or id; may be left out while exactly one active app fits."
    )
    token = SafeTextField(required=False, max_length=4096, help_text="From APNs, FCM or ADM.")
    subscription = SubscriptionField(required=False)
    application_server_key = SafeTextField(
        required=False,
        max_length=100,
        help_text="The key the browser subscribed with. Left out: whichever of the app's keys turns out to fit.",
    )
    user_id = UserIdField(
        required=False,
        allow_null=True,
        help_text="Left out: the token's own user; with a server key, whoever it is now. null: nobody.",
    )
    device_secret = SafeTextField(
        required=False, max_length=200, help_text="Proof, when the device is another user's. Or send Device-Secret."
    )


def registration_build(body: dict[str, Any], *, device_secret: str) -> DeviceRegistration:
    return DeviceRegistration(
        platform=body["platform"],
        app=body.get("app", ""),
        token=body.get("token", ""),
        subscription=body.get("subscription"),
        application_server_key=body.get("application_server_key", ""),
        user_id=body.get("user_id", UNSET),
        device_secret=device_secret,
        profile=profile_of(body),
    )


def profile_of(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in PROFILE_FIELDS if name in body}


class DeviceQuery(ListQuery):
    user_id = UserIdField(required=False)
    platform = serializers.ChoiceField(Platform.values, required=False)
    state = serializers.ChoiceField([state for state in EndpointState.values if state != "none"], required=False)
    app = SafeTextField(required=False, max_length=63)


class EndpointResponse(serializers.Serializer[Any]):
    state = serializers.ChoiceField(EndpointState.values, source="endpoint_state")
    reason = serializers.CharField(source="endpoint_reason")
    changed_at = serializers.DateTimeField(source="endpoint_changed_at")


class DeviceResponse(serializers.Serializer[Any]):
    """Never the token, the subscription or the secret."""

    device_id = serializers.UUIDField()
    user_id = serializers.CharField(source="user.user_id", default=None, allow_null=True)
    platform = serializers.ChoiceField(Platform.values)
    app = serializers.CharField(source="app.name")
    mapping_id = serializers.UUIDField(help_text="Of this user on this device: the client drops payloads with another.")
    endpoint = EndpointResponse(source="*")
    locale = serializers.CharField()
    timezone = serializers.CharField()
    app_version = serializers.CharField()
    os_version = serializers.CharField()
    attributes = serializers.DictField()
    tags = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()


class DeviceRegisteredResponse(DeviceResponse):
    device_secret = serializers.CharField(help_text="Shown this once: proof that this is the device.")


class DevicePageResponse(serializers.Serializer[Any]):
    data = DeviceResponse(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class AccessKeysSerializer(StrictSerializer):
    access_key_id = SafeTextField(max_length=128)
    secret_access_key = SafeTextField(max_length=256)


class VapidSerializer(StrictSerializer):
    private_key = SafeTextField(
        multiline=True, required=False, max_length=4096, help_text="PEM or base64url, to import; else one is made."
    )
    sub = SafeTextField(required=False, max_length=255, help_text="mailto: or https:, at a real domain.")


class AwsAccessSerializer(StrictSerializer):
    """`credentials` or `role_arn`; the other two are for operators and are refused here."""

    credentials = AccessKeysSerializer(required=False)
    role_arn = SafeTextField(required=False, max_length=400)
    ambient = serializers.BooleanField(required=False)
    parameter_name = SafeTextField(required=False, max_length=1011)
    event_topic_arn = SafeTextField(required=False, allow_blank=True, max_length=400)


class AppCreateSerializer(AwsAccessSerializer):
    name = serializers.RegexField(NAME, max_length=63)
    provider = serializers.ChoiceField([App.Provider.SNS.value, App.Provider.WEBPUSH.value])
    platform_application_arn = SafeTextField(required=False, max_length=400)
    region = SafeTextField(required=False, max_length=30)
    vapid = VapidSerializer(required=False)


class AppUpdateSerializer(AwsAccessSerializer):
    name = serializers.RegexField(NAME, max_length=63, required=False)
    enabled = serializers.BooleanField(required=False)


class VapidKeyResponse(serializers.Serializer[Any]):
    key_id = serializers.UUIDField(source="id")
    application_server_key = serializers.CharField(source="public_key")
    sub = serializers.CharField(source="contact")
    created_at = serializers.DateTimeField()


class AppResponse(serializers.Serializer[Any]):
    """Secrets are write-only: which kind there is, is all that is told."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    provider = serializers.ChoiceField(App.Provider.values)
    platform_application_arn = serializers.CharField()
    region = serializers.CharField()
    credential_kind = serializers.ChoiceField(App.CredentialKind.values)
    role_arn = serializers.CharField()
    event_topic_arn = serializers.CharField()
    vapid_keys = VapidKeyResponse(many=True, help_text="Newest first: browsers are offered the first.")
    state = serializers.ChoiceField(AppState.values)
    state_reason = serializers.CharField()
    verifying = serializers.SerializerMethodField(help_text="A worker is about to try the credentials.")
    verified_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()

    def get_verifying(self, app: App) -> bool:
        """Not while a refused app is tried again now and then, by itself."""
        return app.verify_due_at is not None and app.verify_attempts == 0


class AppPageResponse(serializers.Serializer[Any]):
    data = AppResponse(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class WebPushConfigResponse(serializers.Serializer[Any]):
    application_server_key = serializers.CharField(help_text="For pushManager.subscribe().")
    key_id = serializers.UUIDField()
