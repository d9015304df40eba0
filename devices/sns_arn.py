"""Reads the ARNs a tenant names. Strictly: the region becomes a host name of AWS's."""

import re
from dataclasses import dataclass

_PARTITION = r"(?P<partition>aws|aws-cn|aws-us-gov|aws-iso|aws-iso-b|aws-eusc)"
_PLACE = r"(?P<region>[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-\d{1,2}):(?P<account>\d{12})"
_APPLICATION = re.compile(rf"arn:{_PARTITION}:sns:{_PLACE}:app/(?P<platform>[A-Z_]{{2,20}})/[A-Za-z0-9_.-]{{1,256}}")
_TOPIC = re.compile(rf"arn:{_PARTITION}:sns:{_PLACE}:[A-Za-z0-9_-]{{1,256}}(?:\.fifo)?")
_ROLE = re.compile(rf"arn:{_PARTITION}:iam::(?P<account>\d{{12}}):role/(?:[!-~]{{1,512}}/)?[A-Za-z0-9_+=,.@-]{{1,64}}")

# Platforms a registration can mean. Those of SNS are named by its TTL attributes (SNS Developer Guide, "Message
# attributes"); the others have no `platform` of ours, or want more of a device than its token, as BAIDU does (API
# reference of CreatePlatformEndpoint).
PLATFORMS = frozenset(
    {"APNS", "APNS_SANDBOX", "APNS_VOIP", "APNS_VOIP_SANDBOX", "MACOS", "MACOS_SANDBOX", "GCM", "ADM"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an ARN lives."""

    partition: str
    region: str
    account: str


def application_read(arn: str) -> tuple[Place, str] | None:
    """The place and SNS platform of a platform application's ARN, or None if it is not one we can use."""
    match = _APPLICATION.fullmatch(arn)
    if match is None or match["platform"] not in PLATFORMS:
        return None
    return Place(match["partition"], match["region"], match["account"]), match["platform"]


def topic_read(arn: str) -> Place | None:
    match = _TOPIC.fullmatch(arn)
    return Place(match["partition"], match["region"], match["account"]) if match else None


def role_account(arn: str) -> str | None:
    """The account a role belongs to, or None if this is no role's ARN."""
    match = _ROLE.fullmatch(arn)
    return match["account"] if match else None
