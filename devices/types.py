"""What the services take and return."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

from devices.models import Device, VapidKey


class Unset(Enum):
    """A field that is not given, in contrast to null."""

    UNSET = "unset"


UNSET: Literal[Unset.UNSET] = Unset.UNSET

# The fields of PATCH and PUT except the endpoint's and the user's.
PROFILE_FIELDS = ("locale", "timezone", "app_version", "os_version", "attributes", "tags")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRegistration:
    """The body of a PUT. `address` holds the fields by which a provider reaches the device (`AddressType.fields`);
    `profile` those of PROFILE_FIELDS that were given: the others stay as they are."""

    platform: str
    app: str = ""
    address: Mapping[str, Any] = field(default_factory=dict, repr=False)
    user_id: str | Unset | None = UNSET
    device_secret: str = field(default="", repr=False)
    profile: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRegistered:
    """`device_secret` is shown once, with the first PUT (an import shows none): only its hash is stored."""

    device: Device
    created: bool
    device_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a registration says the device is reached: the token or subscription, validated and normalised.

    `names_key`: the client said which of the app's keys it subscribed with.
    """

    hash: bytes = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    push_origin: str = ""
    vapid_key: VapidKey | None = None
    names_key: bool = False
