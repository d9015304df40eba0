"""What the services take and answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

from devices.models import Device, VapidKey


class Unset(Enum):
    """Tells "not mentioned" from null."""

    UNSET = "unset"


UNSET: Literal[Unset.UNSET] = Unset.UNSET

# What PATCH and PUT may say about a device beside its endpoint and its user.
PROFILE_FIELDS = ("locale", "timezone", "app_version", "os_version", "attributes", "tags")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRegistration:
    """The body of a PUT. `profile` holds those of PROFILE_FIELDS that were mentioned; the others stay as they are."""

    platform: str
    app: str = ""
    token: str = field(default="", repr=False)
    subscription: Mapping[str, Any] | None = field(default=None, repr=False)
    application_server_key: str = ""
    user_id: str | Unset | None = UNSET
    device_secret: str = field(default="", repr=False)
    profile: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRegistered:
    """`device_secret` is shown once, with the first PUT (an import shows none): its hash is all that is kept."""

    device: Device
    created: bool
    device_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a registration says the device is reached: the token or subscription, validated and normalised."""

    hash: bytes = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    push_origin: str = ""
    vapid_key: VapidKey | None = None
