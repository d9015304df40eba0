"""How the apps of one provider are created, changed, opened and verified. Values in, values out: no database."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from providers.fields import Field
from providers.keys import KeyPair
from providers.types import Credentials


class CredentialKind(StrEnum):
    """How an app reaches its vendor. `ambient` and `parameter` use the server's own identity: operators only."""

    NONE = "none"
    KEYS = "keys"
    ROLE = "role"
    AMBIENT = "ambient"
    PARAMETER = "parameter"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRecord:
    """A stored app as its provider sees it. `version` grows with every change of credentials."""

    id: str
    tenant_id: str
    version: int
    platform_application_arn: str = ""
    sns_platform: str = ""
    account_id: str = ""
    region: str = ""
    credential_kind: str = CredentialKind.NONE
    role_arn: str = ""
    parameter_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """The first key of a new app (`Provider.keys`). An empty `private_key` means: generate one.

    `pointer` is where the two were in the body, for error messages.
    """

    private_key: str = field(default="", repr=False)
    contact: str = ""
    pointer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    """What to store of an app. `columns` are columns of the app's row; what is not in it stays as it is.

    With `replaces_credentials`, the sealed secrets become `secrets` (None: the app has none).
    """

    columns: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] | None = field(default=None, repr=False)
    replaces_credentials: bool = False
    key: NewKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantOwned:
    """A column whose value belongs to one tenant: another tenant's app may not have it (confused deputy).

    `refusal` is the sentence for the other tenant. `conflict` is the sentence for a second app of the same tenant;
    empty: the tenant's apps may share the value.
    """

    column: str
    refusal: str
    conflict: str = ""


class AppType(ABC):
    """`fields` are those of the body that creates an app; `changeable` names those that may be changed later."""

    fields: ClassVar[tuple[Field, ...]] = ()
    changeable: ClassVar[frozenset[str]] = frozenset()
    tenant_owned: ClassVar[tuple[TenantOwned, ...]] = ()

    @abstractmethod
    def create(self, body: Mapping[str, Any], *, operator: bool) -> AppSettings:
        """What to store of a new app. `body` holds values of `fields` only.

        Raises ApiError INVALID, and CREDENTIALS_REFUSED for what only an operator may use.
        """

    def change(self, app: AppRecord, body: Mapping[str, Any]) -> AppSettings:
        """What to store of a changed app. `body` holds values of `changeable` only. Raises as `create`."""
        return AppSettings()

    @abstractmethod
    def credentials(
        self, app: AppRecord, *, secrets: Callable[[], Mapping[str, str]], key: KeyPair | None
    ) -> Credentials:
        """The credentials to send with. `secrets` opens what `AppSettings.secrets` stored; `key` is one of the app's.

        Raises AppUnavailable, CredentialsPending, and what `secrets` raises.
        """

    def verify(self, app: AppRecord, credentials: Credentials) -> str:
        """Why the vendor refuses the app, in its own code; "" = it does not. May call the vendor.

        Raises VendorRetry: the vendor did not say.
        """
        return ""
