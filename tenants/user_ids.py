"""The tenants' user ids: opaque strings that can be part of a path and of a log line."""

import re
import unicodedata

USER_ID_MAX = 255
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
# `/v1/users/{user_id}/tokens`: an id may contain slashes, but not these segments, or addresses would be ambiguous.
RESERVED_SEGMENTS = frozenset({"tokens", "preferences", "inbox"})


def user_id_fault(user_id: str) -> str | None:
    """A sentence that says why the user id is invalid, or None."""
    if not 1 <= len(user_id) <= USER_ID_MAX:
        return f"A user id has 1 to {USER_ID_MAX} characters."
    if not user_id.isprintable() and (
        BIDI.search(user_id) or any(unicodedata.category(character) in {"Cc", "Cs"} for character in user_id)
    ):
        return "A user id must not contain control or bidirectional formatting characters."
    if not {".", ".."}.isdisjoint(user_id.split("/")):
        return "A user id must not contain the segments '.' or '..'."
    if not RESERVED_SEGMENTS.isdisjoint(user_id.split("/")[1:]):
        return "A user id must not contain the segments /tokens, /preferences or /inbox."
    return None
