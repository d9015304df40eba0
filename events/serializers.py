"""The query and the response of `GET /v1/events`."""

from rest_framework import serializers

from events.models import Event
from pushhub.http.api import ListQuery


class EventQuery(ListQuery):
    type = serializers.CharField(required=False, max_length=60, help_text="Only this type, such as device.gone.")
    after = serializers.UUIDField(required=False, help_text="Only events after the one with this id.")


class EventResponse(serializers.Serializer[Event]):
    id = serializers.UUIDField()
    type = serializers.CharField()
    subject = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]  # a field of that name, not the property
    happened_at = serializers.DateTimeField()


class EventPageResponse(serializers.Serializer[object]):
    data = EventResponse(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)
