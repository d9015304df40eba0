"""The system checks report dangerous settings with an id and a hint."""

import pytest
from pytest_django.fixtures import Settings

from pushhub import checks
from pushhub.kernel import crypto


def ids(settings: Settings, **values: object) -> list[str | None]:
    for name, value in {"PUSHHUB_PRODUCTION": True, "PUSHHUB_DEMO": False, **values}.items():
        setattr(settings, name, value)
    found = [*checks.production_closed(), *checks.production_odd()]
    assert all(message.hint for message in found)
    return [message.id for message in found]


SAFE = {
    "INSTALLED_APPS": ["tenants"],
    "PUSHHUB_ALLOWED_PRIVATE_NETWORKS": [],
    "DEBUG": False,
    "AVATAR_ENGINE": "",
}


@pytest.mark.parametrize(
    ("change", "id"),
    [
        ({"DEBUG": True}, "pushhub.E003"),
        ({"PUSHHUB_DEMO": True}, "pushhub.E004"),
        ({"INSTALLED_APPS": ["sandbox"]}, "pushhub.E004"),
        ({"AVATAR_ENGINE": "stub"}, "pushhub.E005"),
        ({"PUSHHUB_ALLOWED_PRIVATE_NETWORKS": ["10.0.0.0/8"]}, "pushhub.W001"),
    ],
)
def test_each_dangerous_setting_is_reported_in_production(
    settings: Settings, change: dict[str, object], id: str
) -> None:
    assert ids(settings, **{**SAFE, **change}) == [id]


def test_another_address_of_sns_is_reported_in_production(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:4100")
    assert ids(settings, **SAFE) == ["pushhub.W002"]


def test_safe_settings_are_not_reported(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_SNS", raising=False)
    assert ids(settings, **SAFE) == []


@pytest.mark.parametrize(
    ("name", "check", "id"),
    [
        ("PUSHHUB_ENCRYPTION_KEYS", checks.encryption_keys, "pushhub.E001"),
        ("PUSHHUB_HASH_KEY", checks.hash_key, "pushhub.E002"),
    ],
)
def test_a_key_that_cannot_be_used_is_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str, check: object, id: str
) -> None:
    monkeypatch.setenv(name, "short")
    monkeypatch.setattr(crypto, "keyring", crypto.keyring.__wrapped__)
    monkeypatch.setattr(crypto, "hash_key", crypto.hash_key.__wrapped__)
    assert callable(check)
    assert [message.id for message in check()] == [id]
