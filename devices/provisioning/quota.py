"""How fast AWS may be called for one account: AWS's own quotas, shared by all workers (AWS General Reference, "Amazon
SNS endpoints and quotas").

Per account and region, calls per second, for Create-, Delete-, Get- and Set-PlatformEndpoint calls together, and
messages per second for Publish: soft limits, so that an operator who was granted more writes it into the row's `rate`.
"""

from typing import Final

from pushhub.kernel.database import statement_run
from pushhub.kernel.token_bucket import TokenBuckets

DEFAULT = 30
CALLS_PER_SECOND = {
    "us-east-1": 3000,
    "us-west-2": 900,
    "eu-west-1": 900,
    **dict.fromkeys(
        (
            "us-east-2",
            "us-west-1",
            "ap-south-1",
            "ap-northeast-2",
            "ap-southeast-1",
            "ap-southeast-2",
            "ap-northeast-1",
            "eu-central-1",
        ),
        150,
    ),
}
PUBLISHES_PER_CALL = 10  # in every region of AWS's table

_BUCKETS: Final = TokenBuckets("devices_awsquota", key=("account_id", "region"), run=statement_run)


def publish_rate(*, region: str) -> int:
    """Messages per second that AWS lets any account publish."""
    return PUBLISHES_PER_CALL * CALLS_PER_SECOND.get(region, DEFAULT)


def quota_take(*, account_id: str, region: str, calls: int) -> int:
    """How many of `calls` may be made now. One atomic statement; the bucket holds one second's worth."""
    rate = CALLS_PER_SECOND.get(region, DEFAULT)
    return _BUCKETS.acquire({(account_id, region): rate}, wanted=calls).tokens
