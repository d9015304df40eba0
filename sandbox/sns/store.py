"""Platform applications and their endpoints, with the rules of their lifecycle."""

import re
import uuid
from collections import Counter
from dataclasses import dataclass, field

from sandbox.behaviour import Behaviour
from sandbox.sns.sigv4 import Identity
from sandbox.sns.wire import AwsError, invalid

PLATFORMS = frozenset(
    {"ADM", "APNS", "APNS_SANDBOX", "APNS_VOIP", "APNS_VOIP_SANDBOX", "APNS_MDM", "APNS_PASSBOOK"}
    | {"MACOS", "MACOS_SANDBOX", "BAIDU", "GCM", "MPNS", "WNS"}
)
CUSTOM_USER_DATA_BYTES = 2048
PAGE = 100
_APNS_TOKEN = re.compile(r"(?:[0-9a-f]{2}){32,100}\Z")
_ENDPOINT_ATTRIBUTES = frozenset({"Token", "Enabled", "CustomUserData"})
_SECRET_ATTRIBUTES = frozenset({"PlatformCredential", "PlatformPrincipal"})
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,256}\Z")


def partition_of(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


@dataclass(slots=True, kw_only=True)
class Endpoint:
    arn: str
    application: "Application" = field(repr=False)
    token: str = field(repr=False)
    original_token: str = field(repr=False)
    enabled: bool = True
    custom_user_data: str = ""

    @property
    def moved(self) -> bool:
        """Whether it was made from another token than it has now."""
        return self.token != self.original_token

    def attributes(self) -> dict[str, str]:
        found = {"Enabled": "true" if self.enabled else "false", "Token": self.token}
        return found | ({"CustomUserData": self.custom_user_data} if self.custom_user_data else {})


@dataclass(slots=True, kw_only=True)
class Application:
    arn: str
    platform: str
    account: str
    region: str
    attributes: dict[str, str] = field(repr=False)
    by_token: dict[str, Endpoint] = field(default_factory=dict, repr=False)
    moved: Counter[str] = field(default_factory=Counter, repr=False)

    def shown_attributes(self) -> dict[str, str]:
        """Without the credentials, which AWS never returns."""
        return {"Enabled": "true"} | {k: v for k, v in self.attributes.items() if k not in _SECRET_ATTRIBUTES}

    @property
    def enabled(self) -> bool:
        return self.attributes.get("Enabled", "true") == "true"


class Store:
    """`stale_token_quota`: how many endpoints may be made from one token and then get another (AWS gives no figure)."""

    def __init__(self) -> None:
        self.applications: dict[str, Application] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.behaviours: dict[str, Behaviour] = {}
        self.users: dict[str, str] = {}
        self.stale_token_quota = 3

    def clear(self) -> None:
        for collection in (self.applications, self.endpoints, self.behaviours, self.users):
            collection.clear()

    # platform applications

    def application_create(self, *, identity: Identity, platform: str, name: str, given: dict[str, str]) -> Application:
        """Idempotent by platform and name, as on AWS."""
        if platform not in PLATFORMS:
            raise invalid("Platform", f"{platform} is not supported")
        if not _NAME.match(name):
            raise invalid("Name", "letters, digits, _ - . and at most 256 characters")
        if not given.get("PlatformCredential"):
            raise invalid("Attributes", "PlatformCredential is required")
        arn = f"{_prefix(identity)}:app/{platform}/{name}"
        application = self.applications.get(arn)
        if application is None:
            application = Application(
                arn=arn, platform=platform, account=identity.account, region=identity.region, attributes=dict(given)
            )
            self.applications[arn] = application
        return application

    def application_get(self, identity: Identity, arn: str) -> Application:
        _check_arn(identity, "PlatformApplicationArn", arn, "app/")
        if arn not in self.applications:
            raise AwsError("NotFound", "PlatformApplication does not exist", status=404)
        return self.applications[arn]

    def application_delete(self, identity: Identity, arn: str) -> None:
        _check_arn(identity, "PlatformApplicationArn", arn, "app/")
        application = self.applications.pop(arn, None)
        for endpoint in list(application.by_token.values()) if application else []:
            self.endpoints.pop(endpoint.arn, None)

    # endpoints

    def endpoint_create(self, *, application: Application, token: str, given: dict[str, str]) -> Endpoint:
        token = _checked_token(application.platform, token)
        _check_attributes(given)
        existing = application.by_token.get(token)
        if existing is not None:
            _check_same_attributes(existing, given)
            return existing
        if application.moved[token] >= self.stale_token_quota:
            raise invalid("Token", "This endpoint is already registered with a different token.", violation=False)
        arn = application.arn.replace(":app/", ":endpoint/", 1) + f"/{uuid.uuid4()}"
        endpoint = Endpoint(
            arn=arn,
            application=application,
            token=token,
            original_token=token,
            enabled=given.get("Enabled", "true") == "true",
            custom_user_data=given.get("CustomUserData", ""),
        )
        application.by_token[token] = self.endpoints[arn] = endpoint
        return endpoint

    def endpoint_get(self, identity: Identity, arn: str) -> Endpoint:
        _check_arn(identity, "EndpointArn", arn, "endpoint/")
        if arn not in self.endpoints:
            raise AwsError("NotFound", "Endpoint does not exist", status=404)
        return self.endpoints[arn]

    def endpoint_set(self, *, endpoint: Endpoint, given: dict[str, str]) -> None:
        _check_attributes(given)
        if "Token" in given:
            self._move(endpoint, _checked_token(endpoint.application.platform, given["Token"]))
        if "Enabled" in given:
            endpoint.enabled = given["Enabled"] == "true"
        if "CustomUserData" in given:
            endpoint.custom_user_data = given["CustomUserData"]

    def endpoint_delete(self, identity: Identity, arn: str) -> None:
        """Idempotent."""
        _check_arn(identity, "EndpointArn", arn, "endpoint/")
        endpoint = self.endpoints.pop(arn, None)
        if endpoint is not None:
            endpoint.application.by_token.pop(endpoint.token, None)
            endpoint.application.moved[endpoint.original_token] -= endpoint.moved

    def endpoints_page(self, application: Application, start: int) -> tuple[list[Endpoint], int | None]:
        every = list(application.by_token.values())
        following = start + PAGE if len(every) > start + PAGE else None
        return every[start : start + PAGE], following

    def target(self, identity: Identity, arn: str) -> Endpoint:
        """The endpoint of a Publish. There a missing endpoint is InvalidParameter, not NotFound."""
        _check_arn(identity, "TargetArn", arn, "endpoint/")
        if arn not in self.endpoints:
            raise invalid("TargetArn", "No endpoint found for the target arn specified", violation=False)
        return self.endpoints[arn]

    def behaviour_for(self, endpoint: Endpoint) -> Behaviour | None:
        return self.behaviours.get(endpoint.arn) or self.behaviours.get(endpoint.token)

    def _move(self, endpoint: Endpoint, token: str) -> None:
        holder = endpoint.application.by_token.get(token)
        if holder is not None and holder is not endpoint:
            raise _already_exists(holder)
        application = endpoint.application
        application.by_token.pop(endpoint.token, None)
        application.moved[endpoint.original_token] -= endpoint.moved
        endpoint.token = token
        application.moved[endpoint.original_token] += endpoint.moved
        application.by_token[token] = endpoint


def normal_token(platform: str, token: str) -> str:
    """SNS stores and returns APNs tokens in lower case."""
    return token.lower() if platform.startswith(("APNS", "MACOS")) else token


def _prefix(identity: Identity) -> str:
    return f"arn:{partition_of(identity.region)}:sns:{identity.region}:{identity.account}"


def _check_arn(identity: Identity, name: str, arn: str, kind: str) -> None:
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "sns" or not parts[5].startswith(kind):
        raise invalid(name, f"{name} is not an ARN of this kind")
    if parts[3] != identity.region or parts[1] != partition_of(identity.region):
        raise invalid(name, f"An ARN must belong to the region the request is signed for, {identity.region}")
    if parts[4] != identity.account:
        message = f"User: {identity.principal} is not authorized to perform this action on resource: {arn}"
        raise AwsError("AuthorizationError", message, status=403)


def _checked_token(platform: str, token: str) -> str:
    token = normal_token(platform, token)
    if not token or len(token) > 4_096 or any(ord(c) < 33 for c in token):
        raise invalid("Token", "Token must not be empty", violation=False)
    if platform.startswith(("APNS", "MACOS")) and not _APNS_TOKEN.match(token):
        reason = "iOS device tokens must be no more than 400 hexadecimal characters"
        raise invalid("Token", reason, violation=False)
    return token


def _check_attributes(given: dict[str, str]) -> None:
    unknown = given.keys() - _ENDPOINT_ATTRIBUTES
    if unknown:
        raise invalid("Attributes", f"Invalid attribute name: {sorted(unknown)[0]}")
    if given.get("Enabled", "true") not in ("true", "false"):
        raise invalid("Attributes", "Invalid value for attribute: Enabled: must be true or false")
    if len(given.get("CustomUserData", "").encode()) > CUSTOM_USER_DATA_BYTES:
        raise invalid("CustomUserData", f"must be at most {CUSTOM_USER_DATA_BYTES} bytes long in UTF-8 encoding")


def _check_same_attributes(existing: Endpoint, given: dict[str, str]) -> None:
    """Missing attributes count as equal, except CustomUserData: a stored one would be lost."""
    enabled = given.get("Enabled")
    same_enabled = enabled is None or (enabled == "true") == existing.enabled
    if not same_enabled or given.get("CustomUserData", "") != existing.custom_user_data:
        raise _already_exists(existing)


def _already_exists(existing: Endpoint) -> AwsError:
    reason = f"Endpoint {existing.arn} already exists with the same Token, but different attributes."
    return invalid("Token", reason, violation=False)
