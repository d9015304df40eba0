"""A request of ASGI as the environment of WSGI (PEP 3333)."""

import sys
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

_CONSTANT = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


def environ_of(scope: dict[str, Any]) -> dict[str, Any]:
    """Without `wsgi.input`. PATH_INFO has the bytes of the path: it may be something else than UTF-8."""
    raw_path: bytes = scope["raw_path"]
    server, client = scope["server"] or ("", ""), scope["client"] or ("", "")
    environ = _CONSTANT | {
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": client[0],
        "wsgi.url_scheme": scope["scheme"],
    }
    for name, value in scope["headers"]:
        key = _key(name)
        if key in environ:
            separator = "; " if key == "HTTP_COOKIE" else ","
            environ[key] = f"{environ[key]}{separator}{value.decode('latin-1')}"
        elif key:
            environ[key] = value.decode("latin-1")
    return environ


@lru_cache(maxsize=512)
def _key(name: bytes) -> str:
    """The key of a header; empty for a name with an underscore. In the environment `X_Forwarded_Proto` would look like
    `X-Forwarded-Proto`, which only a proxy may set."""
    if b"_" in name:
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
