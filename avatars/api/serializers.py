"""Request and response bodies of the avatar routes."""

from typing import Any

from rest_framework import serializers

from avatars.models import Avatar
from avatars.selectors import moderation_latest
from avatars.states import AvatarState
from pushhub.http.api import ListQuery, StrictSerializer, UserIdField

CONTENT_TYPES = ["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"]


class AvatarCreateSerializer(StrictSerializer):
    """`user_id` may be left out with a user token; a server key names it."""

    content_type = serializers.ChoiceField(CONTENT_TYPES, help_text="The form takes exactly this type.")
    user_id = UserIdField(required=False)


class AvatarQuery(ListQuery):
    user_id = UserIdField(required=False)
    state = serializers.ChoiceField(AvatarState.values, required=False)


class UploadResponse(serializers.Serializer[object]):
    """POST `fields` and then the picture, as `file`, to `url`: multipart/form-data, no other credential."""

    url = serializers.CharField(help_text="Relative to this service where the embedded store is used.")
    fields = serializers.DictField(child=serializers.CharField())  # type: ignore[assignment]
    expires_at = serializers.DateTimeField()
    max_bytes = serializers.IntegerField()
    content_types = serializers.ListField(child=serializers.CharField())


class ReasonResponse(serializers.Serializer[object]):
    code = serializers.CharField()
    detail = serializers.CharField(help_text="For the person: what to do about it.")


class LabelResponse(serializers.Serializer[object]):
    Name = serializers.CharField()
    ParentName = serializers.CharField()
    Confidence = serializers.FloatField()
    TaxonomyLevel = serializers.IntegerField()


class ModerationResponse(serializers.Serializer[object]):
    engine = serializers.CharField()
    model_version = serializers.CharField()
    labels = LabelResponse(many=True)


class AvatarResponse(serializers.Serializer[object]):
    id = serializers.UUIDField()
    user_id = serializers.CharField()
    state = serializers.ChoiceField(AvatarState.values)
    reason = ReasonResponse(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class AvatarDetailResponse(AvatarResponse):
    moderation = ModerationResponse(allow_null=True, required=False, help_text="Shown to server keys only.")


class AvatarCreatedResponse(AvatarResponse):
    upload = UploadResponse()


class AvatarPageResponse(serializers.Serializer[object]):
    data = AvatarResponse(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


def avatar_response(avatar: Avatar) -> dict[str, Any]:
    reason = {"code": avatar.reason, "detail": avatar.detail} if avatar.reason else None
    return {
        "id": avatar.id,
        "user_id": avatar.user.user_id,
        "state": str(avatar.state),
        "reason": reason,
        "created_at": avatar.created_at,
        "updated_at": avatar.updated_at,
    }


def avatar_detail_response(avatar: Avatar, *, labels: bool) -> dict[str, Any]:
    """`labels`: with the engine's labels, which only server keys may see."""
    if not labels:
        return dict(AvatarResponse(avatar_response(avatar)).data)
    return dict(AvatarDetailResponse({**avatar_response(avatar), "moderation": moderation_latest(avatar=avatar)}).data)
