"""Serializer fields made of the fields that providers describe (providers.fields)."""

from collections.abc import Callable, Iterable
from typing import Any

from drf_spectacular.drainage import set_override
from rest_framework import serializers

from providers.base import Provider
from providers.fields import Document, Field, Flag, Group, Text
from providers.registry import providers_all
from pushhub.http.api import JsonObjectField, SafeTextField, StrictSerializer

SerializerField = serializers.Field[Any, Any, Any, Any]


def provider_fields(of: Callable[[Provider], Iterable[Field]]) -> dict[str, SerializerField]:
    """The fields of all providers, each name once: two providers that share a name share the field."""
    described: dict[str, Field] = {}
    for provider in providers_all():
        for field in of(provider):
            described.setdefault(field.name, field)
    return {name: serializer_field(field) for name, field in described.items()}


def serializer_field(field: Field) -> SerializerField:
    options: dict[str, Any] = {"required": field.required}
    if field.help:
        options["help_text"] = field.help
    match field:
        case Text():
            return SafeTextField(
                max_length=field.max_length, allow_blank=field.blank, multiline=field.multiline, **options
            )
        case Flag():
            return serializers.BooleanField(**options)
        case Document():
            document = JsonObjectField(**options)
            set_override(document, "field", dict(field.schema))
            return document
        case Group():
            return group_serializer(field)(**options)
    raise TypeError(f"no serializer field for {type(field).__name__}")


_groups: dict[str, type[StrictSerializer]] = {}


def group_serializer(group: Group) -> type[StrictSerializer]:
    """One class for each component: OpenAPI names the component after it."""
    if group.component not in _groups:
        members = {field.name: serializer_field(field) for field in group.fields}
        _groups[group.component] = type(f"{group.component}Serializer", (StrictSerializer,), members)
    return _groups[group.component]
