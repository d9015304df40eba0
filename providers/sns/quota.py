"""How many calls AWS takes of one account in one region (AWS General Reference, "Amazon SNS endpoints and quotas").

Per second, for Create-, Delete-, Get- and Set-PlatformEndpoint calls together, and messages for Publish. These are soft
limits: an operator who was granted more writes it into the `rate` of the bucket's row.
"""

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


def call_rate(region: str) -> int:
    """Control-plane calls per second."""
    return CALLS_PER_SECOND.get(region, DEFAULT)


def publish_rate(region: str) -> int:
    """Messages per second that AWS lets any account publish."""
    return PUBLISHES_PER_CALL * call_rate(region)
