"""Platform endpoints: created, re-enabled and given new tokens as AWS prescribes (SNS Developer Guide, "Creating a
platform endpoint"). Every function may call AWS and block for seconds: never inside a transaction.

CustomUserData is never written: with a user's id in it, AWS refuses the endpoint to the device's next user.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from providers.errors import AddressRejected, VendorMisconfigured
from providers.provisioning import ProvisionedEndpoint
from providers.sns.access import AWS_FAILURES, access_get, error_translate
from providers.sns.arn import ApplicationArn, application_arn_parse
from providers.sns.types import SnsCredentials

# AWS's own sample reads only `arn:aws:`; China and GovCloud have other partitions.
_ALREADY_EXISTS = re.compile(r"Endpoint (arn:aws[^: ]*:sns:[^ ]+) already exists with the same [Tt]oken")
_OTHER_TOKEN = "already registered with a different token"  # noqa: S105  AWS's sentence, not a password


def endpoint_ensure(
    *,
    credentials: SnsCredentials,
    platform_application_arn: str,
    platform: str,
    token: str,
    known_arn: str | None = None,
) -> ProvisionedEndpoint:
    """One step towards an enabled endpoint with this token; while it is not `ready`, ask again with the ARN answered.

    1. Without a known ARN, create; "already exists" names the endpoint to use instead.
    2. Always read its attributes: creating returns an existing endpoint without enabling it.
    3. Not found: the known endpoint was deleted, create again.
    4. Another token or disabled: set both. If another endpoint has the token already, the known one is deleted: it will
       not be needed again.

    Two calls for a new device or a deleted one more, one when nothing changed. Raises VendorRetry, VendorMisconfigured,
    AddressRejected.
    """
    application = _application(platform_application_arn, credentials.region)
    ensure = _Ensure(credentials, platform_application_arn, application, _normal(platform, token), _is_apple(platform))
    known = ensure.check(known_arn) if known_arn and _belongs(known_arn, application) else None
    return known or ProvisionedEndpoint(ensure.create(), ready=False)


def endpoint_delete(*, credentials: SnsCredentials, endpoint_arn: str) -> None:
    """Idempotent. Raises VendorRetry, VendorMisconfigured."""
    client = access_get(credentials).client
    with _translated():
        try:
            client.delete_endpoint(EndpointArn=endpoint_arn)
        except client.exceptions.NotFoundException:
            return


def application_enabled(*, credentials: SnsCredentials, platform_application_arn: str) -> bool:
    """Whether the platform application is enabled. One call. Raises VendorRetry; VendorMisconfigured if these
    credentials may not use it."""
    _application(platform_application_arn, credentials.region)
    client = access_get(credentials).client
    with _translated():
        reply = client.get_platform_application_attributes(PlatformApplicationArn=platform_application_arn)
    return reply["Attributes"].get("Enabled", "true").lower() == "true"


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
                reply = client.create_platform_endpoint(PlatformApplicationArn=self.application_arn, Token=self.token)
                return reply["EndpointArn"]
            except client.exceptions.NotFoundException:
                raise VendorMisconfigured("NotFound") from None
            except client.exceptions.InvalidParameterException as failure:
                return self._existing(failure)

    def check(self, arn: str) -> ProvisionedEndpoint | None:
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
                return ProvisionedEndpoint(named, ready=False)
        return ProvisionedEndpoint(arn, ready=True)

    def _is_current(self, attributes: dict[str, str]) -> bool:
        stored = attributes.get("Token", "")
        same = stored.lower() == self.token.lower() if self.case_blind else stored == self.token
        return same and attributes.get("Enabled", "").lower() == "true"

    def _existing(self, failure: ClientError) -> str:
        """The endpoint that already has the token, as AWS names it. Any other failure is raised again."""
        message = failure.response.get("Error", {}).get("Message", "")
        found = _ALREADY_EXISTS.search(message)
        if found is None:
            if _OTHER_TOKEN in message:
                raise AddressRejected("AlreadyRegisteredWithDifferentToken") from None
            raise failure
        if not _belongs(found[1], self.application):
            raise VendorMisconfigured("EndpointOfAnotherApplication") from None
        return found[1]


def _application(arn: str, region: str) -> ApplicationArn:
    try:
        application = application_arn_parse(arn)
    except ValueError:
        raise VendorMisconfigured("InvalidPlatformApplicationArn") from None
    if application.region != region:
        raise VendorMisconfigured("RegionMismatch")  # a direct push works within one region only
    return application


def _belongs(endpoint_arn: str, application: ApplicationArn) -> bool:
    try:
        return application_arn_parse(endpoint_arn) == application
    except ValueError:
        return False


def _is_apple(platform: str) -> bool:
    return platform.startswith(("APNS", "MACOS"))


def _normal(platform: str, token: str) -> str:
    """SNS returns APNs tokens in lower case; sent in lower case, they can be compared."""
    return token.lower() if _is_apple(platform) else token


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except AWS_FAILURES as failure:
        raise error_translate(failure) from None
