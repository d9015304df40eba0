"""Platform endpoints: made, re-enabled and given new tokens as AWS prescribes (SNS Developer Guide, "Creating a
platform endpoint"). Every function may call AWS and block for seconds: never inside a transaction.

CustomUserData is never written: with a user's id in it, AWS refuses the endpoint to the device's next user.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from providers.sns.access import AWS_FAILURES, SnsMisconfigured, SnsTokenInvalid, access_get, error_translate
from providers.sns.arn import ApplicationArn, application_arn_parse
from providers.types import SnsCredentials

# AWS's own sample reads only `arn:aws:`; China and GovCloud have other partitions.
_ALREADY_EXISTS = re.compile(r"Endpoint (arn:aws[^: ]*:sns:[^ ]+) already exists with the same [Tt]oken")
_OTHER_TOKEN = "already registered with a different token"  # noqa: S105  AWS's sentence, not a password


@dataclass(frozen=True, slots=True)
class EndpointState:
    """`ready`: enabled and with the token asked for. If not, AWS has only named the endpoint, for a token that had none
    we knew: it may have been another device's until now, so nothing is read of it or written to it yet."""

    endpoint_arn: str = field(repr=False)
    ready: bool


@dataclass(frozen=True, slots=True)
class ApplicationState:
    enabled: bool


def endpoint_ensure(
    *,
    credentials: SnsCredentials,
    platform_application_arn: str,
    platform: str,
    token: str,
    known_arn: str | None = None,
) -> EndpointState:
    """One step towards an enabled endpoint with this token; while it is not `ready`, ask again with the ARN answered.

    1. Without a known ARN, create; "already exists" names the endpoint to use instead.
    2. Always read its attributes: creating returns an existing endpoint without enabling it.
    3. Not found: the known endpoint was deleted, create again.
    4. Another token or disabled: set both. If another endpoint has the token already, the known one is deleted: nobody
       will ask for it again.

    Two calls for a new device or a deleted one more, one when nothing changed. Raises SnsRetry, SnsMisconfigured,
    SnsTokenInvalid.
    """
    application = _application(platform_application_arn, credentials.region)
    ensure = _Ensure(credentials, platform_application_arn, application, _normal(platform, token), _is_apple(platform))
    known = ensure.check(known_arn) if known_arn and _belongs(known_arn, application) else None
    return known or EndpointState(ensure.create(), ready=False)


def endpoint_delete(*, credentials: SnsCredentials, endpoint_arn: str) -> None:
    """Idempotent. Raises SnsRetry, SnsMisconfigured."""
    client = access_get(credentials).client
    with _translated():
        try:
            client.delete_endpoint(EndpointArn=endpoint_arn)
        except client.exceptions.NotFoundException:
            return


def credentials_verify(*, credentials: SnsCredentials, platform_application_arn: str) -> ApplicationState:
    """May we use this platform application, and is it enabled? One call. Raises SnsRetry, SnsMisconfigured."""
    _application(platform_application_arn, credentials.region)
    client = access_get(credentials).client
    with _translated():
        answer = client.get_platform_application_attributes(PlatformApplicationArn=platform_application_arn)
    return ApplicationState(enabled=answer["Attributes"].get("Enabled", "true").lower() == "true")


@dataclass(frozen=True, slots=True)
class _Ensure:
    credentials: SnsCredentials
    application_arn: str = field(repr=False)
    application: ApplicationArn
    token: str = field(repr=False)
    case_blind: bool

    def create(self) -> str:
        client = access_get(self.credentials).client
        with _translated():
            try:
                answer = client.create_platform_endpoint(PlatformApplicationArn=self.application_arn, Token=self.token)
                return answer["EndpointArn"]
            except client.exceptions.NotFoundException:
                raise SnsMisconfigured("NotFound") from None
            except client.exceptions.InvalidParameterException as failure:
                return self._existing(failure)

    def check(self, arn: str) -> EndpointState | None:
        """None: it does not exist."""
        client = access_get(self.credentials).client
        with _translated():
            try:
                attributes = client.get_endpoint_attributes(EndpointArn=arn)["Attributes"]
                if not self._is_current(attributes):
                    client.set_endpoint_attributes(EndpointArn=arn, Attributes={"Token": self.token, "Enabled": "true"})
            except client.exceptions.NotFoundException:
                return None
            except client.exceptions.InvalidParameterException as failure:
                named = self._existing(failure)
                endpoint_delete(credentials=self.credentials, endpoint_arn=arn)
                return EndpointState(named, ready=False)
        return EndpointState(arn, ready=True)

    def _is_current(self, attributes: dict[str, str]) -> bool:
        held = attributes.get("Token", "")
        same = held.lower() == self.token.lower() if self.case_blind else held == self.token
        return same and attributes.get("Enabled", "").lower() == "true"

    def _existing(self, failure: ClientError) -> str:
        """The endpoint AWS says has the token already. Anything else it says is passed on."""
        message = failure.response.get("Error", {}).get("Message", "")
        found = _ALREADY_EXISTS.search(message)
        if found is None:
            if _OTHER_TOKEN in message:
                raise SnsTokenInvalid("AlreadyRegisteredWithDifferentToken") from None
            raise failure
        if not _belongs(found[1], self.application):
            raise SnsMisconfigured("EndpointOfAnotherApplication") from None
        return found[1]


def _application(arn: str, region: str) -> ApplicationArn:
    try:
        application = application_arn_parse(arn)
    except ValueError:
        raise SnsMisconfigured("InvalidPlatformApplicationArn") from None
    if application.region != region:
        raise SnsMisconfigured("RegionMismatch")  # a direct push works within one region only
    return application


def _belongs(endpoint_arn: str, application: ApplicationArn) -> bool:
    try:
        return application_arn_parse(endpoint_arn) == application
    except ValueError:
        return False


def _is_apple(platform: str) -> bool:
    return platform.startswith(("APNS", "MACOS"))


def _normal(platform: str, token: str) -> str:
    """SNS hands APNs tokens back in lower case; sent so, they compare."""
    return token.lower() if _is_apple(platform) else token


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except AWS_FAILURES as failure:
        raise error_translate(failure) from None
