"""`/v1/events`: the event log of the tenant."""

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
            "The oldest event comes first. An event is listed as soon as every transaction that began to write before "
            "it has ended, usually within a second. Its place is then final: a reader that requests the events `after` "
            "the last id it has seen misses no event and sees none twice."
        ),
        query=EventQuery,
        responses={200: EventPageResponse},
        response_examples={200: examples.EVENTS},
    )
    def get(self, request: Request) -> Response:
        query = EventQuery.read(request)
        events = event_list(tenant=caller_of(request).tenant, type=query.get("type", ""), after=query.get("after"))
        return cursor_paginate(events, request, key="id").response(lambda event: EventResponse(event).data)
