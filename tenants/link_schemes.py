"""The schemes of the links that open a tenant's own apps, such as `acme` of acme://order/7. Each tenant registers its
own, because a list of dangerous schemes is never complete."""

import re
from typing import Final

from django.core.exceptions import ValidationError

MAX_SCHEMES: Final = 20
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,39}")  # RFC 3986 §3.1, in lower case
# A link with one of these runs code, reads files, or opens another app with data of the sender.
_RESERVED: Final = frozenset(
    {
        "about",
        "android-app",
        "blob",
        "chrome",
        "chrome-extension",
        "content",
        "data",
        "feed",
        "file",
        "filesystem",
        "ftp",
        "ftps",
        "gopher",
        "http",
        "https",
        "intent",
        "ios-app",
        "jar",
        "javascript",
        "ldap",
        "market",
        "mhtml",
        "mk",
        "moz-extension",
        "ms-appx",
        "ms-its",
        "resource",
        "sftp",
        "smb",
        "ssh",
        "telnet",
        "vbscript",
        "view-source",
        "ws",
        "wss",
    }
)


def link_scheme_validate(scheme: str) -> None:
    """Raises ValidationError for what no tenant may register."""
    if not _SCHEME.fullmatch(scheme):
        raise ValidationError("A scheme has 2 to 40 characters of a-z, 0-9, '+', '.' and '-', such as acme.")
    if scheme in _RESERVED:
        raise ValidationError(f"The scheme {scheme!r} is not an app's own. It is never allowed.")
