"""The bodies of `/v1/users/{user_id}` and its tokens."""

from rest_framework import serializers

from pushhub.http.api import JsonObjectField, LocaleField, StrictSerializer, TimezoneField
from tenants.services import TOKEN_SECONDS, TOKEN_SECONDS_MAX, TOKEN_SECONDS_MIN


class UserReplaceSerializer(StrictSerializer):
    """A missing field is set to its empty value."""

    attributes = JsonObjectField(default=dict, help_text="The tenant's own data: a JSON object of at most 8 KiB.")
    locale = LocaleField(default="", allow_blank=True)
    timezone = TimezoneField(default="", allow_blank=True)


class UserUpdateSerializer(StrictSerializer):
    """A missing field stays unchanged. `attributes` is replaced as a whole, and only a server key may write it."""

    attributes = JsonObjectField(required=False)
    locale = LocaleField(required=False, allow_blank=True)
    timezone = TimezoneField(required=False, allow_blank=True)


class UserResponse(serializers.Serializer[object]):
    user_id = serializers.CharField()
    attributes = serializers.DictField()
    locale = serializers.CharField()
    timezone = serializers.CharField()
    picture = serializers.JSONField(
        allow_null=True, help_text="The approved avatar: `avatar_id` and `variants` of `size`, `format`, `url`."
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class TokenSerializer(StrictSerializer):
    ttl_seconds = serializers.IntegerField(
        default=TOKEN_SECONDS, min_value=TOKEN_SECONDS_MIN, max_value=TOKEN_SECONDS_MAX
    )


class TokenResponse(serializers.Serializer[object]):
    token = serializers.CharField()
    expires_at = serializers.DateTimeField()
