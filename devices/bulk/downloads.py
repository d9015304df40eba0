"""Limit the downloads of a process: each keeps a block of the result in memory for as long as its client reads."""

from collections.abc import Iterator
from threading import Lock
from weakref import WeakSet

from pushhub.kernel.errors import ApiError, ErrorCode
from tenants.models import Tenant

DOWNLOADS_AT_ONCE = 16  # per process; a block is about 1 MB
DOWNLOADS_PER_TENANT = 2  # of those: one tenant's slow clients must not block the others
RETRY_SECONDS = 5

_lock = Lock()


class Download:
    """Iterates over `blocks`. It counts until the server closes it, or drops the last reference to it."""

    def __init__(self, *, tenant: Tenant, blocks: Iterator[bytes]) -> None:
        """Raises ApiError RATE_LIMITED, UNAVAILABLE."""
        self._tenant_id = tenant.id
        self._blocks = blocks
        with _lock:
            self._place_require()
            _under_way.add(self)

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks

    def close(self) -> None:
        with _lock:
            _under_way.discard(self)

    def _place_require(self) -> None:
        if sum(other._tenant_id == self._tenant_id for other in _under_way) >= DOWNLOADS_PER_TENANT:
            raise ApiError(
                ErrorCode.RATE_LIMITED,
                detail="Too many results of this tenant are being downloaded. Wait until one is complete.",
                retry_after=RETRY_SECONDS,
            )
        if len(_under_way) >= DOWNLOADS_AT_ONCE:
            raise ApiError(ErrorCode.UNAVAILABLE, detail="Too many downloads at once.", retry_after=RETRY_SECONDS)


_under_way: WeakSet[Download] = WeakSet()
