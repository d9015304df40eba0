"""The system checks report dangerous settings with an id and a hint."""

import base64
import random
from collections.abc import Callable, Sequence
from typing import Any

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


def random_key(seed: int) -> str:
    return base64.b64encode(random.Random(seed).randbytes(32)).decode()


@pytest.fixture
def production(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str | None]]:
    """`production(SECRET_KEY=…, keys=[…], hash_key=…)`: the ids that the check of keys reports."""

    def check(secret_key: str = random_key(0), keys: Sequence[str] = (), hash_key: str = random_key(9)) -> Any:
        settings.PUSHHUB_PRODUCTION, settings.SECRET_KEY = True, secret_key
        entries = [f"k{number}:{key}" for number, key in enumerate(keys or [random_key(1)])]
        monkeypatch.setenv("PUSHHUB_ENCRYPTION_KEYS", ",".join(entries))
        monkeypatch.setenv("PUSHHUB_HASH_KEY", hash_key)
        monkeypatch.setattr(crypto, "hash_key", crypto.hash_key.__wrapped__)
        return [message.id for message in checks.production_keys()]

    return check


ZEROS = base64.b64encode(bytes(32)).decode()
TYPED = base64.b64encode(b"passwordpasswordpasswordpassword").decode()


@pytest.mark.parametrize("secret_key", ["x", "x" * 50, "change-me", "abcdefgh" * 8, "types-only"])
def test_a_weak_secret_key_is_an_error_in_production(production: Any, secret_key: str) -> None:
    assert production(secret_key=secret_key) == ["pushhub.E006"]


@pytest.mark.parametrize(
    "keys",
    [
        {"keys": [ZEROS]},
        {"keys": [TYPED]},
        {"keys": [random_key(1), ZEROS]},
        {"keys": [random_key(1), random_key(1)]},
        {"hash_key": ZEROS},
        {"hash_key": random_key(1)},
    ],
    ids=str,
)
def test_a_key_that_is_not_random_or_used_twice_is_an_error_in_production(
    production: Any, keys: dict[str, Any]
) -> None:
    assert production(**keys) == ["pushhub.E007"]


@pytest.mark.parametrize("seed", range(20))
def test_random_keys_pass(production: Any, seed: int) -> None:
    hexadecimal = random.Random(seed).randbytes(32).hex()
    assert production(secret_key=hexadecimal, keys=[random_key(seed)], hash_key=random_key(-1 - seed)) == []


def test_keys_are_not_checked_outside_of_production(settings: Settings) -> None:
    settings.SECRET_KEY = "x"
    assert checks.production_keys() == []


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
