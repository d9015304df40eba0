"""`/v1/events`: what happened, to be pulled."""

from rest_framework.request import Request
from rest_framework.response import Response

from events import examples
from events.selectors import event_list
from events.serializers import EventPageResponse, EventQuery, EventResponse
from pushhub.http.api import ApiView, cursor_paginate
from pushhub.http.openapi import documented
from tenants.callers import caller_of
from tenants.scopes import Scope


class EventsView(ApiView):
    required_scopes = {"GET": Scope.EVENTS_READ}

    @documented(
        summary="List events",
        description=(
            "Oldest first. An event shows once everything that was being written before it is, as a rule at once, and "
            "then its place is final: a follower that asks with `after` = the last id it has seen misses none and sees "
            "none twice."
        ),
        query=EventQuery,
        responses={200: EventPageResponse},
        response_examples={200: examples.EVENTS},
    )
    def get(self, request: Request) -> Response:
        query = EventQuery.read(request)
        events = event_list(tenant=caller_of(request).tenant, type=query.get("type", ""), after=query.get("after"))
        return cursor_paginate(events, request, key="id").response(lambda event: EventResponse(event).data)
