"""The shapes of request and response bodies."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from rest_framework import serializers
from typing_extensions import override

from devices.api.provider_fields import group_serializer, provider_fields
from devices.models import App, AppState, EndpointState
from devices.types import PROFILE_FIELDS, UNSET, DeviceRegistration
from providers.apps import CredentialKind
from providers.base import Provider
from providers.fields import Field
from providers.registry import device_platforms, providers_all
from pushhub.http.api import JsonObjectField, ListQuery, LocaleField, SafeTextField, StrictSerializer, TimezoneField
from pushhub.http.fields import UserIdField

NAME = r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$"


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
    platform = serializers.ChoiceField(device_platforms())
    app = SafeTextField(
        required=False, max_length=63, help_text="Name or id; may be left out while exactly one active app fits."
    )
    user_id = UserIdField(
        required=False,
        allow_null=True,
        help_text="Left out: the token's own user; with a server key, the device's current user. null: no user.",
    )
    device_secret = SafeTextField(
        required=False, max_length=200, help_text="Proof, when the device is another user's. Or send Device-Secret."
    )

    @override
    def get_fields(self) -> dict[str, Any]:
        """With the fields by which providers reach a device."""
        return super().get_fields() | provider_fields(_address_fields)


def _address_fields(provider: Provider) -> Iterable[Field]:
    return provider.address.fields


def registration_build(body: dict[str, Any], *, device_secret: str) -> DeviceRegistration:
    return DeviceRegistration(
        platform=body["platform"],
        app=body.get("app", ""),
        address={name: body[name] for name in address_field_names() if name in body},
        user_id=body.get("user_id", UNSET),
        device_secret=device_secret,
        profile=profile_of(body),
    )


@cache
def address_field_names() -> tuple[str, ...]:
    return tuple(dict.fromkeys(field.name for provider in providers_all() for field in provider.address.fields))


def profile_of(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in PROFILE_FIELDS if name in body}


class DeviceQuery(ListQuery):
    user_id = UserIdField(required=False)
    platform = serializers.ChoiceField(device_platforms(), required=False)
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
    platform = serializers.ChoiceField(device_platforms())
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
    device_secret = serializers.CharField(
        help_text="Returned only in this response. It proves that a caller may change the device."
    )


class DevicePageResponse(serializers.Serializer[Any]):
    data = DeviceResponse(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class AppCreateSerializer(StrictSerializer):
    """An app takes the fields of its own provider only. SNS: exactly one of `credentials` and `role_arn`; `ambient` and
    `parameter_name` are for operators and are refused here."""

    name = serializers.RegexField(NAME, max_length=63)
    provider = serializers.ChoiceField([provider.name for provider in providers_all() if provider.is_public])

    @override
    def get_fields(self) -> dict[str, Any]:
        """With the fields of every provider that tenants may use."""
        return super().get_fields() | provider_fields(_app_fields)


class AppUpdateSerializer(StrictSerializer):
    """As for a new app. What is left out stays as it is."""

    name = serializers.RegexField(NAME, max_length=63, required=False)
    enabled = serializers.BooleanField(required=False)

    @override
    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | provider_fields(_changeable_fields)


def _app_fields(provider: Provider) -> Iterable[Field]:
    return provider.app.fields if provider.is_public else ()


def _changeable_fields(provider: Provider) -> Iterable[Field]:
    return (field for field in _app_fields(provider) if field.name in provider.app.changeable)


VapidSerializer = next(group_serializer(provider.keys.body) for provider in providers_all() if provider.keys)


class VapidKeyResponse(serializers.Serializer[Any]):
    key_id = serializers.UUIDField(source="id")
    application_server_key = serializers.CharField(source="public_key")
    sub = serializers.CharField(source="contact")
    created_at = serializers.DateTimeField()


class AppResponse(serializers.Serializer[Any]):
    """Secrets are write-only: only their kind is shown."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    provider = serializers.ChoiceField([provider.name for provider in providers_all()])
    platform_application_arn = serializers.CharField()
    region = serializers.CharField()
    credential_kind = serializers.ChoiceField([kind.value for kind in CredentialKind])
    role_arn = serializers.CharField()
    event_topic_arn = serializers.CharField()
    vapid_keys = VapidKeyResponse(many=True, help_text="Newest first: browsers are offered the first.")
    state = serializers.ChoiceField(AppState.values)
    state_reason = serializers.CharField()
    verifying = serializers.SerializerMethodField(help_text="A worker is about to try the credentials.")
    verified_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()

    def get_verifying(self, app: App) -> bool:
        """Not while workers try a refused app again by themselves."""
        return app.verify_due_at is not None and app.verify_attempts == 0


class AppPageResponse(serializers.Serializer[Any]):
    data = AppResponse(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class WebPushConfigResponse(serializers.Serializer[Any]):
    application_server_key = serializers.CharField(help_text="For pushManager.subscribe().")
    key_id = serializers.UUIDField()
