"""docs/reasons.md has a row for every reason and every code, generated from the code."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.core.management import call_command

from notifications.reasons import DeliveryReason
from providers.registry import PROVIDERS, provider_get


@pytest.fixture
def page(settings: LazySettings) -> str:
    return (settings.BASE_DIR / "docs" / "reasons.md").read_text("utf-8")


def test_the_page_is_current() -> None:
    call_command("reasons_doc", "--check")


def test_every_reason_has_one_row(page: str) -> None:
    assert [page.count(f"\n| `{reason}` |") for reason in DeliveryReason] == [1] * len(DeliveryReason)


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_code_has_a_row(page: str, name: str) -> None:
    provider = provider_get(name)
    section = page.split(f"## Codes of {provider.vendor}\n")[1].split("\n## ")[0]
    assert [code for code in provider.codes if f"\n| `{code}` |" not in section] == []
