"""Views that return the caller, for tests of authentication, permissions and middleware."""

from typing import Any

from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response

from pushhub.http.api import ApiView
from pushhub.kernel.ids import uuid7
from tenants.callers import caller_of
from tenants.idempotency import idempotent
from tenants.scopes import Scope


class WhoView(ApiView):
    required_scopes = {"GET": Scope.USERS_READ, "POST": None}
    allow_user_token = True

    def get(self, request: Request) -> Response:
        return Response({"caller": caller_of(request).label})

    def post(self, request: Request) -> Response:
        def work() -> tuple[int, Any]:
            return 201, {"id": uuid7(), "received": request.data}

        return idempotent(request, work)


class BackendView(ApiView):
    required_scopes = {"GET": Scope.USERS_READ}

    def get(self, request: Request) -> Response:
        return Response({})


urlpatterns = [
    path("who", WhoView.as_view()),
    path("backend", BackendView.as_view()),
    path("", include("tenants.urls")),
    path("", include("events.urls")),
]
