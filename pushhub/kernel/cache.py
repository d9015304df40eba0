"""How values are stored in the cache: as JSON. Django's default is pickle, and a pickle can run code. A program that
can write to Valkey must not be able to run code in the web processes."""

import json
from typing import Any


class JsonSerializer:
    """For `CACHES["default"]["OPTIONS"]["serializer"]`. Integers stay numbers in Valkey, for `incr`."""

    def dumps(self, value: Any) -> int | bytes:
        """What JSON cannot represent becomes null, like a missing key: the admin's search caches objects of Unfold."""
        if type(value) is int:
            return value
        try:
            return json.dumps(value, separators=(",", ":")).encode()
        except (TypeError, ValueError):
            return b"null"

    def loads(self, stored: bytes) -> Any:
        """None, like a missing key, for a value that is not JSON, such as one that an earlier version pickled."""
        try:
            return json.loads(stored)
        except ValueError:
            return None
