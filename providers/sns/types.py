"""SNS's endpoint and credentials."""

from dataclasses import dataclass, field, replace

from typing_extensions import override

from providers.types import Credentials, Endpoint, Push


@dataclass(slots=True, kw_only=True)
class SnsEndpoint(Endpoint):
    """An SNS platform endpoint. `platform` is SNS's own name: APNS, APNS_SANDBOX, GCM, …"""

    endpoint_arn: str = field(repr=False)
    platform: str

    @override
    def at(self, address: str) -> "SnsEndpoint":
        return replace(self, endpoint_arn=address)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnsCredentials(Credentials):
    """What authorises calls to SNS: keys, a role to assume with `external_id`, or the server's identity (`ambient`).

    `cache_key` is (app id, version): sessions and assumed roles are kept under it, so a new version starts afresh.
    """

    cache_key: tuple[str, int]
    region: str
    access_key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    role_arn: str = ""
    external_id: str = field(default="", repr=False)
    ambient: bool = False


def sns_endpoint(push: Push) -> SnsEndpoint:
    if not isinstance(push.endpoint, SnsEndpoint):
        raise TypeError("an SNS push needs a platform endpoint")
    return push.endpoint
