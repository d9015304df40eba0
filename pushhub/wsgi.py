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

# A thread that unpacks a file of devices gives way to the one that answers requests after so long, not after 5 ms.
sys.setswitchinterval(0.0005)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushhub.settings.production")

# Checking an operator's password takes long, a callback may need a vendor's certificate, `:complete` asks the store,
# metrics are read from files of every process.
WAITING = re.compile(r"/admin/|/callbacks/|/metrics$|/v1/avatars/[^/]*:complete$")


def way_of(path: str) -> Way:
    if path == "/livez":
        return Way.PROBE  # a database that hangs restarts nobody
    if path == UPLOAD_PATH or path in UPLOAD_PATHS:
        return Way.UPLOAD  # at the pace of all uploads together; a few kilobytes may unpack to a large file
    return Way.WAITING if WAITING.match(path) else Way.QUICK


class TextRequest(WSGIRequest):
    """Remembers whether the path was UTF-8; once Django has read it, nobody can tell `%FF` from `%25FF`.

    A Content-Type that cannot be read is `UNREADABLE`, which no parser takes: whoever reads the body answers 415.
    """

    UNREADABLE = "application/x-unreadable"

    def __init__(self, environ: dict[str, Any]) -> None:
        self.path_is_text = is_utf8(environ.get("PATH_INFO", "").encode("latin-1"))
        super().__init__(environ)

    @override
    def _set_content_type_params(self, meta: dict[str, Any]) -> None:  # type: ignore[misc]  # the stubs leave it out
        # Django makes the request before any middleware: an error here would be an answer without problem or id.
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]
            b"\xff".decode(self.encoding or "utf-8", "replace")  # charset may name a codec that makes no text
        except Exception:  # of many kinds, all of them about what a stranger wrote into one header
            self._encoding = None
            self.content_type, self.content_params = self.UNREADABLE, {}
            meta["CONTENT_TYPE"] = self.UNREADABLE


django_application = get_wsgi_application()
django_application.request_class = TextRequest
application = Reception(django_application, limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE, way=way_of)
