"""ASGI entry point: granian serves `pushhub.asgi:application`."""

import os
import re
import sys
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application
from typing_extensions import override

from avatars.storage.local import UPLOAD_PATH
from pushhub.http.bridge import Bridge, RequestLimits
from pushhub.http.middleware import UPLOAD_PATHS
from pushhub.http.parsing import is_utf8
from pushhub.http.pools import RequestPool

# How long a thread keeps the interpreter lock: a thread that unpacks a file of devices must not delay the event loop by
# 5 ms, Python's default.
sys.setswitchinterval(0.0005)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushhub.settings.production")


class TextRequest(WSGIRequest):
    """Remembers whether the path was UTF-8: after Django has decoded it, `%FF` and `%25FF` look the same.

    A Content-Type that cannot be parsed becomes `UNREADABLE`. No parser supports it, so a view that reads the body
    responds with 415.
    """

    UNREADABLE = "application/x-unreadable"

    def __init__(self, environ: dict[str, Any]) -> None:
        self.path_is_text = is_utf8(environ.get("PATH_INFO", "").encode("latin-1"))
        super().__init__(environ)

    @override
    def _set_content_type_params(self, meta: dict[str, Any]) -> None:  # type: ignore[misc]  # the stubs leave it out
        # Django creates the request before it runs middleware: after an error here, the response would have neither a
        # problem document nor a request id.
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]
            b"\xff".decode(self.encoding or "utf-8", "replace")  # the charset may be a codec that returns no text
        except Exception:  # codecs raise many kinds of errors; all of them come from the caller's header
            self._encoding = None
            self.content_type, self.content_params = self.UNREADABLE, {}
            meta["CONTENT_TYPE"] = self.UNREADABLE


django_application = get_wsgi_application()
django_application.request_class = TextRequest

# Kinds of requests, by the trust in their callers: none exhausts the threads of another. The database connections that
# these threads need are in docs/operations/sizing.md.
API = RequestPool("api", threads=settings.PUSHHUB_WEB_THREADS, waiting=256, per_peer=128)
ADMIN = RequestPool("admin", threads=2, waiting=30, per_peer=16)  # checking a password takes long
# A callback may fetch a vendor's certificate, `:complete` calls the object store, and metrics are read from the files
# of all processes.
CALLBACKS = RequestPool("callbacks", threads=4, waiting=60, per_peer=32)
PAGES = RequestPool("pages", threads=1, waiting=63, per_peer=32)  # documentation, demo, pictures
FORMS = RequestPool("forms", threads=8, waiting=24, per_peer=6, streams=True)
IMPORTS = RequestPool("imports", threads=4, waiting=28, per_peer=3, streams=True)

_CALLBACKS = re.compile(r"/callbacks/|/metrics$|/v1/avatars/[^/]*:complete$")


def pool_of(path: str) -> RequestPool:
    if path == UPLOAD_PATH:
        return FORMS
    if path in UPLOAD_PATHS:
        return IMPORTS
    if _CALLBACKS.match(path):
        return CALLBACKS
    if path.startswith("/v1/") or path == "/readyz":
        return API
    return ADMIN if path.startswith("/admin/") else PAGES


application = Bridge(
    django_application,
    pool_of=pool_of,
    limits=RequestLimits(
        body_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE, upload_seconds=settings.PUSHHUB_UPLOAD_SECONDS
    ),
    proxies=settings.PUSHHUB_TRUSTED_PROXIES,
    strict=settings.PUSHHUB_PRODUCTION,
    probed=frozenset({"/readyz", "/metrics"}),
)
