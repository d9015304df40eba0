"""Amazon Resource Names of mobile push: those that AWS sends, and those that a tenant names."""

import re
from dataclasses import dataclass

from providers.sns.payload import PLATFORMS

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


# What a tenant names is read more strictly than what AWS sends: the region becomes a host name of AWS.
_PARTITION = r"(?P<partition>aws|aws-cn|aws-us-gov|aws-iso|aws-iso-b|aws-eusc)"
_PLACE = r"(?P<region>[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-\d{1,2}):(?P<account>\d{12})"
_APPLICATION = re.compile(rf"arn:{_PARTITION}:sns:{_PLACE}:app/(?P<platform>[A-Z_]{{2,20}})/[A-Za-z0-9_.-]{{1,256}}")
_TOPIC = re.compile(rf"arn:{_PARTITION}:sns:{_PLACE}:[A-Za-z0-9_-]{{1,256}}(?:\.fifo)?")
_ROLE = re.compile(rf"arn:{_PARTITION}:iam::(?P<account>\d{{12}}):role/(?:[!-~]{{1,512}}/)?[A-Za-z0-9_+=,.@-]{{1,64}}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an ARN lives."""

    partition: str
    region: str
    account: str


def application_read(arn: str) -> tuple[Place, str] | None:
    """The place and SNS platform of a platform application's ARN, or None if pushhub cannot use it.

    Other platforms of SNS have no device platform here, or need more of a device than its token, as BAIDU does (API
    reference of CreatePlatformEndpoint).
    """
    match = _APPLICATION.fullmatch(arn)
    if match is None or match["platform"] not in PLATFORMS:
        return None
    return Place(match["partition"], match["region"], match["account"]), match["platform"]


def topic_read(arn: str) -> Place | None:
    match = _TOPIC.fullmatch(arn)
    return Place(match["partition"], match["region"], match["account"]) if match else None


def role_account(arn: str) -> str | None:
    """The account a role belongs to, or None if it is not a role's ARN."""
    match = _ROLE.fullmatch(arn)
    return match["account"] if match else None
