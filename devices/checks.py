"""Faults of this app's settings, reported by `manage.py check`."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks

from providers.keys import KeyInvalid
from providers.registry import providers_all


def vapid_contact(**_: Any) -> Sequence[checks.CheckMessage]:
    """Push services write to this contact, and some refuse those that are made up."""
    try:
        for keys in filter(None, (provider.keys for provider in providers_all())):
            keys.contact_check(settings.PUSHHUB_VAPID_SUB)
    except KeyInvalid as fault:
        return [checks.Error(f"PUSHHUB_VAPID_SUB cannot be used: {fault}.", id="devices.E001")]
    if settings.PUSHHUB_PRODUCTION and settings.PUSHHUB_VAPID_SUB.endswith("@example.com"):
        return [
            checks.Warning(
                "PUSHHUB_VAPID_SUB is not set, or an example: push services cannot reach you.",
                id="devices.W001",
                hint="Set PUSHHUB_VAPID_SUB=mailto:push@your-domain and restart: tenants made before get it, too.",
            )
        ]
    return []
