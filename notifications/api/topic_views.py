"""The topic routes. Topics are not secret: a user token may subscribe its own user and their devices to any topic."""

from dataclasses import asdict
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from typing_extensions import override

from notifications import topics
from notifications.api import examples, responses
from notifications.api.serializers import TOPIC_NAME, SubscribersSerializer
from notifications.models import Topic
from pushhub.http.api import ApiView, ListQuery, QuerySerializer, cursor_paginate
from pushhub.http.openapi import documented
from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.callers import Caller, caller_of, require_own_user, require_server
from tenants.scopes import Scope


class UnsubscribeQuery(QuerySerializer):
    user_id = serializers.CharField(required=False, max_length=255, trim_whitespace=False)
    device_id = serializers.UUIDField(required=False)

    @override
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise ValidationError({"user_id": ["Name one user_id or one device_id."]})
        return attrs


class TopicsView(ApiView):
    required_scopes = {"GET": Scope.TOPICS_READ}

    @documented(
        summary="List topics",
        query=ListQuery,
        responses={200: responses.TopicPageResponse},
        response_examples={200: examples.TOPICS},
    )
    def get(self, request: Request) -> Response:
        ListQuery.read(request)
        found = topics.topic_list(tenant=caller_of(request).tenant)
        return cursor_paginate(found, request, key="id").response(lambda row: responses.TopicResponse(row).data)


class SubscribersView(ApiView):
    required_scopes = {"PUT": Scope.TOPICS_WRITE, "DELETE": Scope.TOPICS_WRITE, "GET": Scope.TOPICS_READ}
    allow_user_token = True

    @documented(
        summary="Subscribe users and devices to a topic",
        description=(
            "Repeating the request changes nothing. A user stands for all devices they have when something is sent. "
            "A server key creates the topic and unknown users; a user token subscribes its own user and their devices "
            "to a topic that exists."
        ),
        request=SubscribersSerializer,
        responses={200: responses.SubscribedResponse},
        examples=examples.SUBSCRIBE_EXAMPLES,
        response_examples={200: examples.SUBSCRIBED},
    )
    def put(self, request: Request, name: str) -> Response:
        caller = caller_of(request)
        body = SubscribersSerializer.read(request)
        for user_id in body["users"]:
            require_own_user(caller, user_id)
        subscribed = topics.topic_subscribe(
            tenant=caller.tenant, topic=_topic(caller, name), owner=caller.user_id, **body
        )
        return Response(responses.SubscribedResponse(asdict(subscribed)).data)

    @documented(
        summary="Unsubscribe a user or a device",
        description="Repeating the request changes nothing.",
        query=UnsubscribeQuery,
        responses={204: None},
    )
    def delete(self, request: Request, name: str) -> Response:
        caller = caller_of(request)
        query = UnsubscribeQuery.read(request)
        users = [query["user_id"]] if "user_id" in query else []
        devices = [query["device_id"]] if "device_id" in query else []
        for user_id in users:
            require_own_user(caller, user_id)
        topic = topics.topic_get_for_tenant(tenant=caller.tenant, name=name)
        topics.topic_unsubscribe(tenant=caller.tenant, topic=topic, users=users, devices=devices, owner=caller.user_id)
        return Response(status=204)

    @documented(
        summary="List a topic's subscribers",
        query=ListQuery,
        responses={200: responses.SubscriberPageResponse},
        response_examples={200: examples.SUBSCRIBERS},
    )
    def get(self, request: Request, name: str) -> Response:
        caller = caller_of(request)
        require_server(caller)
        ListQuery.read(request)
        found = topics.subscription_list(
            tenant=caller.tenant, topic=topics.topic_get_for_tenant(tenant=caller.tenant, name=name)
        )
        return cursor_paginate(found, request, key="id").response(lambda row: responses.SubscriberResponse(row).data)


def _topic(caller: Caller, name: str) -> Topic:
    """Clients do not create topics: a typing error in an app would create many."""
    if not caller.is_server:
        return topics.topic_get_for_tenant(tenant=caller.tenant, name=name)
    if len(name) > 100 or not TOPIC_NAME.fullmatch(name):
        raise ApiError(
            ErrorCode.NOT_FOUND, detail="A topic's name has 1 to 100 characters: letters, digits and . _ ~ % -."
        )
    return topics.topic_ensure(tenant=caller.tenant, name=name)
