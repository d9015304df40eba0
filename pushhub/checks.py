"""What is wrong with an installation's settings, said at start: `manage.py check`, and `check --deploy` for
production."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

from pushhub.kernel import crypto
from pushhub.kernel.env import EnvironmentInvalid
from pushhub.kernel.purposes import Purpose


def register_all() -> None:
    for check in (encryption_keys, hash_key, production_closed, production_odd):
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
    """What is meant for one machine must not be reachable in production."""
    if not settings.PUSHHUB_PRODUCTION:
        return []
    found: list[CheckMessage] = []
    if settings.DEBUG:
        found.append(
            checks.Error("DEBUG is on: error pages show settings and data.", id="pushhub.E003", hint="DEBUG = False")
        )
    if settings.PUSHHUB_DEMO or {"clients", "sandbox"} & set(settings.INSTALLED_APPS):
        found.append(
            checks.Error(
                "The demo page or the sandbox is installed: they mint tokens for whoever asks.",
                id="pushhub.E004",
                hint="Set PUSHHUB_DEMO = False, and take clients and sandbox out of INSTALLED_APPS.",
            )
        )
    if settings.AVATAR_ENGINE == "stub":
        found.append(
            checks.Error(
                "AVATAR_ENGINE is the stub: it looks at colours only, and approves whatever is green or grey.",
                id="pushhub.E005",
                hint="AVATAR_ENGINE=rekognition or local; unset without either, each picture goes to a person.",
            )
        )
    return found


def production_odd(**_: Any) -> Sequence[CheckMessage]:
    """What somebody may have meant in production, and mostly has left over."""
    if not settings.PUSHHUB_PRODUCTION:
        return []
    found: list[CheckMessage] = []
    if settings.PUSHHUB_ALLOWED_PRIVATE_NETWORKS:
        found.append(
            checks.Warning(
                "Private networks may be called: a tenant's push endpoint can reach what listens there.",
                id="pushhub.W001",
                hint="Unset PUSHHUB_ALLOWED_PRIVATE_NETWORKS unless a push service of your own stands there.",
            )
        )
    if os.environ.get("AWS_ENDPOINT_URL_SNS"):
        found.append(
            checks.Warning(
                "AWS_ENDPOINT_URL_SNS is set: SNS is not AWS but what listens there.",
                id="pushhub.W002",
                hint="Unset it, unless it is a VPC endpoint.",
            )
        )
    return found
