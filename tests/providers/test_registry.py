"""Which code writes the requests: chosen by a setting, for the whole process."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.apps import apps
from pytest_django.fixtures import Settings

from providers.apps import AppRecord
from providers.base import MisconfiguredScope
from providers.errors import AppUnavailable
from providers.fields import Field
from providers.registry import NATIVE, PROVIDERS, provider_get, providers_all, reference_choose
from providers.webpush import encryption, reference
from pushhub.kernel.env import EnvironmentInvalid
from tests.architecture.source import ROOT


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


@pytest.mark.parametrize("of", ["app", "address"])
def test_providers_that_share_a_field_describe_it_alike(of: str) -> None:
    described: dict[str, Field] = {}
    for provider in providers_all():
        for field in getattr(provider, of).fields:
            assert described.setdefault(field.name, field) == field


def test_a_provider_is_light_to_import() -> None:
    """Every process reads the providers' capabilities; boto3 costs 0.2 s and 30 MB."""
    code = "import sys; from providers import registry; registry.providers_all(); print('botocore' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"


def test_an_app_of_a_removed_provider_is_unavailable() -> None:
    removed = provider_get("gone")
    record = AppRecord(id="1", tenant_id="1", version=1)
    with pytest.raises(AppUnavailable, match="not installed"):
        removed.app.credentials(record, secrets=dict, key=None)
    assert removed.misconfigured_scope is MisconfiguredScope.APP


@pytest.mark.parametrize("package", [*(f"providers/{name}" for name in PROVIDERS), "tests/providers/toy"])
def test_every_provider_package_has_the_same_files(package: str) -> None:
    files = {path.stem for path in (ROOT / package).glob("*.py")}
    assert {"types", "app", "address", "payload", "errors", "provider"} <= files
