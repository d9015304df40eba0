"""Form encoding, cheaper than urllib's on JSON: each kind of byte is replaced at once, not byte by byte."""

from collections.abc import Iterable

_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PERCENT = ord("%")
_ESCAPES = tuple((bytes([byte]), b"%%%02X" % byte) for byte in range(256))


def form_quote(text: str) -> bytes:
    """Percent-encoded UTF-8, RFC 3986's unreserved characters left as they are."""
    raw = text.encode("utf-8", "replace")
    unsafe = set(raw) - _SAFE
    if _PERCENT in unsafe:
        unsafe.discard(_PERCENT)
        raw = raw.replace(b"%", b"%25")  # first: the other replacements add more of them
    for byte in unsafe:
        raw = raw.replace(*_ESCAPES[byte])
    return raw


def form_encode(parameters: Iterable[tuple[str, str]]) -> bytes:
    """`name=value` pairs; the names must need no quoting."""
    return b"&".join([name.encode("ascii") + b"=" + form_quote(value) for name, value in parameters])
