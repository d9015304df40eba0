"""An SNS app: a platform application of the tenant's AWS account, and how to reach it."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from typing_extensions import override

from providers.apps import AppRecord, AppSettings, AppType, CredentialKind, TenantOwned
from providers.errors import VendorError, VendorRetry
from providers.fields import Field, Flag, Group, Text
from providers.keys import KeyPair
from providers.sns.arn import Place, application_read, role_account, topic_read
from providers.sns.types import SnsCredentials
from providers.types import Credentials
from pushhub.kernel.errors import ApiError, ErrorCode

_ACCESS = ("credentials", "role_arn", "ambient", "parameter_name")
_OPERATOR_KINDS = (CredentialKind.AMBIENT, CredentialKind.PARAMETER)


class SnsApp(AppType):
    """Exactly one of `credentials`, `role_arn`, `ambient` and `parameter_name`. The last two are for operators."""

    fields: ClassVar[tuple[Field, ...]] = (
        Group(
            name="credentials",
            component="AccessKeys",
            fields=(
                Text(name="access_key_id", max_length=128, required=True),
                Text(name="secret_access_key", max_length=256, required=True),
            ),
        ),
        Text(name="role_arn", max_length=400),
        Flag(name="ambient"),
        Text(name="parameter_name", max_length=1011),
        Text(name="event_topic_arn", max_length=400, blank=True),
        Text(name="platform_application_arn", max_length=400),
        Text(name="region", max_length=30),
    )
    changeable: ClassVar[frozenset[str]] = frozenset((*_ACCESS, "event_topic_arn"))
    tenant_owned: ClassVar[tuple[TenantOwned, ...]] = (
        TenantOwned(
            column="platform_application_arn",
            refusal="This ARN may not be used here.",
            conflict="Another app has this ARN already.",
        ),
        TenantOwned(column="role_arn", refusal="This role may not be used here."),
    )

    @override
    def create(self, body: Mapping[str, Any], *, operator: bool) -> AppSettings:
        arn = body.get("platform_application_arn", "")
        read = application_read(arn)
        if read is None:
            raise _invalid("/platform_application_arn", "Not the ARN of an SNS platform application.")
        place, platform = read
        if body.get("region", "") not in ("", place.region):
            raise _invalid("/region", "The region is the ARN's own.")
        columns = {
            "platform_application_arn": arn,
            "sns_platform": platform,
            "account_id": place.account,
            "region": place.region,
            "event_topic_arn": _topic_check(body.get("event_topic_arn", ""), place),
        }
        return _with_access(columns, body, place, operator=operator)

    @override
    def change(self, app: AppRecord, body: Mapping[str, Any]) -> AppSettings:
        place, _ = application_read(app.platform_application_arn) or (Place("", app.region, app.account_id), "")
        columns: dict[str, Any] = {}
        if "event_topic_arn" in body:
            columns["event_topic_arn"] = _topic_check(body["event_topic_arn"], place)
        if not any(body.get(name) for name in _ACCESS):
            return AppSettings(columns=columns)
        if app.credential_kind in _OPERATOR_KINDS:
            raise _refused("/credentials", "An operator gave this app its credentials.")
        return _with_access(columns, body, place, operator=False)

    @override
    def credentials(
        self, app: AppRecord, *, secrets: Callable[[], Mapping[str, str]], key: KeyPair | None
    ) -> SnsCredentials:
        from providers.sns.credentials import credentials_build  # boto3 costs 0.2 s and 30 MB

        return credentials_build(app, secrets=secrets)

    @override
    def verify(self, app: AppRecord, credentials: Credentials) -> str:
        from providers.sns.endpoints import application_enabled  # as above

        assert isinstance(credentials, SnsCredentials)
        arn = app.platform_application_arn
        try:
            enabled = application_enabled(credentials=credentials, platform_application_arn=arn)
        except VendorRetry:
            raise
        except VendorError as error:
            return error.code
        return "" if enabled else "PlatformApplicationDisabled"


def _with_access(columns: Mapping[str, Any], body: Mapping[str, Any], place: Place, *, operator: bool) -> AppSettings:
    kind = _access_kind(body, place, operator=operator)
    access = {
        "credential_kind": kind.value,
        "role_arn": body.get("role_arn", ""),
        "parameter_name": body.get("parameter_name", ""),
    }
    secrets = body["credentials"] if kind is CredentialKind.KEYS else None
    return AppSettings(columns={**columns, **access}, secrets=secrets, replaces_credentials=True)


def _access_kind(body: Mapping[str, Any], place: Place, *, operator: bool) -> CredentialKind:
    """Only an operator lends the server's own identity, and a role belongs to the application's account (confused
    deputy)."""
    if body.get("credentials") and body.get("role_arn"):
        raise _invalid("/role_arn", "Give `credentials` or `role_arn`, not both.")
    if body.get("ambient") or body.get("parameter_name"):
        if not operator:
            pointer = "/ambient" if body.get("ambient") else "/parameter_name"
            raise _refused(pointer, "Only an operator may lend the server's own AWS identity or a parameter.")
        return CredentialKind.AMBIENT if body.get("ambient") else CredentialKind.PARAMETER
    if not body.get("role_arn"):
        if not body.get("credentials"):
            raise _invalid("/credentials", "An SNS app needs `credentials` or `role_arn`.")
        return CredentialKind.KEYS
    account = role_account(body["role_arn"])
    if account is None:
        raise _invalid("/role_arn", "Not the ARN of an IAM role.")
    if account != place.account:
        raise _refused("/role_arn", "This role may not be used here.")
    return CredentialKind.ROLE


def _topic_check(arn: str, place: Place) -> str:
    if arn and topic_read(arn) != place:
        raise _invalid("/event_topic_arn", "An SNS topic of the application's own account and region is expected.")
    return arn


def _invalid(pointer: str, detail: str) -> ApiError:
    return ApiError(ErrorCode.INVALID, detail=detail, pointer=pointer)


def _refused(pointer: str, detail: str) -> ApiError:
    return ApiError(ErrorCode.CREDENTIALS_REFUSED, detail=detail, pointer=pointer)
