"""`manage.py check` of the settings of devices."""

from typing import Any

import pytest

from devices.checks import vapid_contact


@pytest.mark.parametrize(
    ("sub", "production", "found"),
    [
        ("mailto:push@acme.org", True, []),
        ("https://acme.org/contact", True, []),
        ("mailto:push@localhost", False, ["devices.E001"]),
        ("mailto:webmaster@example.com", True, ["devices.W001"]),
        ("mailto:webmaster@example.com", False, []),
    ],
)
def test_the_vapid_contact_must_be_real(settings: Any, sub: str, production: bool, found: list[str]) -> None:
    settings.PUSHHUB_VAPID_SUB, settings.PUSHHUB_PRODUCTION = sub, production
    assert [message.id for message in vapid_contact()] == found
