"""How fast a vendor's control plane may be called for one account: token buckets that all workers share."""

from typing import Final

from pushhub.kernel.database import statement_run
from pushhub.kernel.token_bucket import TokenBuckets

_BUCKETS: Final = TokenBuckets("devices_awsquota", key=("account_id", "region"), run=statement_run)


def quota_take(*, account_id: str, region: str, rate: int, calls: int) -> int:
    """How many of `calls` may be made now. `rate` is the vendor's default, calls per second; the bucket's row may name
    another. One atomic statement; the bucket holds one second's worth."""
    return _BUCKETS.acquire({(account_id, region): rate}, wanted=calls).tokens
