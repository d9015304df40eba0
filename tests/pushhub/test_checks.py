"""An installation that is set up dangerously says so at start, with an id and a remedy."""

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


CLOSED = {
    "INSTALLED_APPS": ["tenants"],
    "PUSHHUB_ALLOWED_PRIVATE_NETWORKS": [],
    "DEBUG": False,
    "AVATAR_ENGINE": "",
}


@pytest.mark.parametrize(
    ("open_door", "id"),
    [
        ({"DEBUG": True}, "pushhub.E003"),
        ({"PUSHHUB_DEMO": True}, "pushhub.E004"),
        ({"INSTALLED_APPS": ["sandbox"]}, "pushhub.E004"),
        ({"AVATAR_ENGINE": "stub"}, "pushhub.E005"),
        ({"PUSHHUB_ALLOWED_PRIVATE_NETWORKS": ["10.0.0.0/8"]}, "pushhub.W001"),
    ],
)
def test_production_names_each_open_door(settings: Settings, open_door: dict[str, object], id: str) -> None:
    assert ids(settings, **{**CLOSED, **open_door}) == [id]


def test_production_warns_of_another_sns(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:4100")
    assert ids(settings, **CLOSED) == ["pushhub.W002"]


def test_closed_doors_are_quiet(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_SNS", raising=False)
    assert ids(settings, **CLOSED) == []


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
    monkeypatch.setattr(crypto, "_hash_key", crypto._hash_key.__wrapped__)
    assert callable(check)
    assert [message.id for message in check()] == [id]
