"""Checks of an installation's settings at start: `manage.py check`, and `manage.py check --deploy` for production."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

from pushhub.kernel import crypto
from pushhub.kernel.env import EnvironmentInvalid, env_list
from pushhub.kernel.purposes import Purpose

# compose-secrets made keys of 44 characters (base64 of 32 bytes) before it made longer ones.
SECRET_KEY_MIN = 43
SECRET_KEY_DIFFERENT = 12  # 64 hexadecimal digits have 16 at most
KEY_DIFFERENT = 16


def register_all() -> None:
    for check in (encryption_keys, hash_key, production_closed, production_keys, production_odd):
        checks.register(check, "pushhub")


def encryption_keys(**_: Any) -> list[CheckMessage]:
    return _usable("pushhub.E001", "PUSHHUB_ENCRYPTION_KEYS", lambda: crypto.seal(b"", purpose=Purpose.CHECK))


def hash_key(**_: Any) -> list[CheckMessage]:
    return _usable("pushhub.E002", "PUSHHUB_HASH_KEY", lambda: crypto.keyed_hash(b"", purpose=Purpose.CHECK))


def _usable(id: str, name: str, use: Callable[[], bytes]) -> list[CheckMessage]:
    try:
        use()
    except EnvironmentInvalid as error:
        return [checks.Error(f"{name} cannot be used: {error}", id=id, hint="openssl rand -base64 32")]
    return []


def production_closed(**_: Any) -> Sequence[CheckMessage]:
    """Features for a single machine must not be reachable in production."""
    if not settings.PUSHHUB_PRODUCTION:
        return []
    found: list[CheckMessage] = []
    if settings.DEBUG:
        found.append(
            checks.Error(
                "DEBUG is on: error pages show settings and data.", id="pushhub.E003", hint="Set DEBUG = False."
            )
        )
    if settings.PUSHHUB_DEMO or {"clients", "sandbox"} & set(settings.INSTALLED_APPS):
        found.append(
            checks.Error(
                "The demo page or the sandbox is installed: they issue tokens to every caller.",
                id="pushhub.E004",
                hint="Set PUSHHUB_DEMO = False, and remove clients and sandbox from INSTALLED_APPS.",
            )
        )
    if settings.AVATAR_ENGINE == "stub":
        found.append(
            checks.Error(
                "AVATAR_ENGINE is the stub: it checks colours only, and approves every green or grey picture.",
                id="pushhub.E005",
                hint="Set AVATAR_ENGINE=rekognition or AVATAR_ENGINE=local. Without it, a person reviews each picture.",
            )
        )
    return found


def production_keys(**_: Any) -> Sequence[CheckMessage]:
    """Secrets that a person typed, or copied from an example. Random ones of the lengths below always pass: 32 random
    bytes have fewer than 16 different values once in 10^15 times."""
    if not settings.PUSHHUB_PRODUCTION:
        return []
    found: list[CheckMessage] = []
    if len(settings.SECRET_KEY) < SECRET_KEY_MIN or len(set(settings.SECRET_KEY)) < SECRET_KEY_DIFFERENT:
        found.append(
            checks.Error(
                f"SECRET_KEY is weak: it needs {SECRET_KEY_MIN} random characters. It signs sessions and cursors.",
                id="pushhub.E006",
                hint="openssl rand -base64 48. A new key signs the operators out.",
            )
        )
    try:
        keys = {**crypto.keys_read(env_list("PUSHHUB_ENCRYPTION_KEYS")), b"": crypto.hash_key()}
    except EnvironmentInvalid:
        return found  # E001 and E002 report it
    if any(len(set(key)) < KEY_DIFFERENT for key in keys.values()) or len(set(keys.values())) < len(keys):
        found.append(
            checks.Error(
                "A key of PUSHHUB_ENCRYPTION_KEYS or PUSHHUB_HASH_KEY is not random, or is used twice.",
                id="pushhub.E007",
                hint="openssl rand -base64 32. Add a new encryption key in front and run encryption_rotate. A new hash "
                "key makes every device look new: see docs/operations/encryption-keys.md.",
            )
        )
    return found


def production_odd(**_: Any) -> Sequence[CheckMessage]:
    """Settings that are possible in production, but are usually left there by mistake."""
    if not settings.PUSHHUB_PRODUCTION:
        return []
    found: list[CheckMessage] = []
    if settings.PUSHHUB_ALLOWED_PRIVATE_NETWORKS:
        found.append(
            checks.Warning(
                "Private networks are allowed: a tenant's push endpoint can be the address of a service in them.",
                id="pushhub.W001",
                hint="Unset PUSHHUB_ALLOWED_PRIVATE_NETWORKS, unless you run a push service in such a network.",
            )
        )
    if os.environ.get("AWS_ENDPOINT_URL_SNS"):
        found.append(
            checks.Warning(
                "AWS_ENDPOINT_URL_SNS is set: requests to SNS go to that address instead of AWS.",
                id="pushhub.W002",
                hint="Unset AWS_ENDPOINT_URL_SNS, unless it is the address of a VPC endpoint.",
            )
        )
    return found
