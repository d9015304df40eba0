"""All addresses of the service. The apps' urls.py contain full paths; the addresses of docs and admin are here."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from pushhub.http import docs

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/openapi.json", docs.openapi, name="openapi"),
    path("docs", docs.reference, name="docs"),
    path("docs/errors", docs.errors, name="docs-errors"),
    path("admin/", admin.site.urls),
    # People type this address. APPEND_SLASH is off, because the addresses of an API are exact.
    path("admin", RedirectView.as_view(url="/admin/")),
    path("", RedirectView.as_view(url="/docs")),
    path("", include("tenants.urls")),
    path("", include("events.urls")),
    path("", include("devices.urls")),
    path("", include("notifications.urls")),
    path("", include("avatars.urls")),
]

if settings.PUSHHUB_DEMO:
    urlpatterns.append(path("", include("clients.urls")))

handler400 = "pushhub.http.problems.bad_request"
handler403 = "pushhub.http.problems.permission_denied"
handler404 = "pushhub.http.problems.page_not_found"
handler500 = "pushhub.http.problems.server_error"
