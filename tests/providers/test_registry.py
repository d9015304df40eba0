"""Which code writes the requests: chosen by a setting, for the whole process."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from pytest_django.fixtures import Settings

from providers.registry import NATIVE, provider_get, providers_all, reference_choose
from providers.webpush import encryption, reference
from pushhub.kernel.env import EnvironmentInvalid


@pytest.fixture(autouse=True)
def _native() -> Iterator[None]:
    yield
    for provider in providers_all():
        reference_choose(provider.name, NATIVE)


def encoder() -> object:
    return provider_get("webpush")._encrypt  # type: ignore[attr-defined]


def test_a_setting_chooses_the_reference_and_back(settings: Settings) -> None:
    assert encoder() is encryption.encrypt
    settings.PUSHHUB_WEBPUSH_ENCODER = "pywebpush"
    apps.get_app_config("notifications").ready()
    assert encoder() is reference.encrypt
    settings.PUSHHUB_WEBPUSH_ENCODER = "native"
    apps.get_app_config("notifications").ready()
    assert encoder() is encryption.encrypt


@pytest.mark.parametrize("setting", ["PUSHHUB_WEBPUSH_ENCODER", "PUSHHUB_SNS_SIGNER"])
def test_a_word_it_does_not_know_stops_the_start(settings: Settings, setting: str) -> None:
    setattr(settings, setting, "requests")
    with pytest.raises(EnvironmentInvalid, match=f"{setting} must be native or"):
        apps.get_app_config("notifications").ready()


def test_another_provider_has_no_reference() -> None:
    with pytest.raises(ValueError, match="must be native"):
        reference_choose("stub", "requests")
