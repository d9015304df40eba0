"""Amazon Resource Names, as far as mobile push has them."""

import re
from dataclasses import dataclass

_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):(?P<service>[a-z0-9-]+):(?P<region>[a-z0-9-]*):(?P<account>[0-9]{12}|)"
    r":(?P<resource>[\x21-\x7e]{1,1024})"
)
_RESOURCE = re.compile(r"(?P<kind>app|endpoint)/(?P<platform>[A-Z_]{2,32})/(?P<name>[A-Za-z0-9_.-]{1,256})(?:/[^/]+)?")


@dataclass(frozen=True, slots=True)
class Arn:
    partition: str
    service: str
    region: str
    account: str
    resource: str


@dataclass(frozen=True, slots=True)
class ApplicationArn:
    """What a platform application and its endpoints have in common; equal for an endpoint and its application."""

    partition: str
    region: str
    account: str
    platform: str
    name: str


def arn_parse(arn: str) -> Arn:
    """Of any partition (aws, aws-cn, aws-us-gov, …). Raises ValueError, without the input in its text."""
    match = _ARN.fullmatch(arn)
    if match is None:
        raise ValueError("not an ARN")
    return Arn(**match.groupdict())


def application_arn_parse(arn: str) -> ApplicationArn:
    """The application an `app/…` or `endpoint/…` ARN belongs to. Raises ValueError."""
    parsed = arn_parse(arn)
    match = _RESOURCE.fullmatch(parsed.resource)
    if parsed.service != "sns" or match is None or not parsed.region or not parsed.account:
        raise ValueError("not the ARN of a platform application or endpoint")
    return ApplicationArn(parsed.partition, parsed.region, parsed.account, match["platform"], match["name"])
