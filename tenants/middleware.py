"""The `RateLimit-*` headers of every response to a counted request, including the responses of other middleware."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from tenants.throttling import RateState


class RateLimitMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        state: RateState | None = getattr(request, "rate_state", None)
        if state is not None:
            for name, value in state.headers.items():
                response[name] = value
        return response
