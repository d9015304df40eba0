"""WSGI entry point: granian (or gunicorn) serves `pushhub.wsgi:application`."""

import os
import re
import sys
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application
from typing_extensions import override

from avatars.storage.local import UPLOAD_PATH
from pushhub.http.middleware import UPLOAD_PATHS
from pushhub.http.parsing import is_utf8
from pushhub.http.reception import Reception, Way

# How long a thread keeps the interpreter lock: a thread that unpacks a file of devices must not delay the thread that
# handles requests by 5 ms, Python's default.
sys.setswitchinterval(0.0005)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushhub.settings.production")

# These requests may wait: checking an operator's password is slow, a callback may fetch a vendor's certificate,
# `:complete` calls the object store, and metrics are read from the files of all processes.
WAITING = re.compile(r"/admin/|/callbacks/|/metrics$|/v1/avatars/[^/]*:complete$")


def way_of(path: str) -> Way:
    if path == "/livez":
        return Way.PROBE  # a database that hangs must not cause a restart
    if path == UPLOAD_PATH or path in UPLOAD_PATHS:
        return Way.UPLOAD  # small ones too: a body of a few kilobytes may unpack to a large file
    return Way.WAITING if WAITING.match(path) else Way.NORMAL


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
application = Reception(django_application, limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE, way=way_of)
