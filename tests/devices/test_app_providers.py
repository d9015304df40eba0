"""Which provider an app or a device may name, and which fields an app takes."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from rest_framework.test import APIClient

from devices.models import App, Device

pytestmark = pytest.mark.django_db

ROLE = "arn:aws:iam::123456789012:role/pushhub"
SNS = {
    "name": "acme-ios",
    "provider": "sns",
    "platform_application_arn": "arn:aws:sns:eu-west-1:123456789012:app/APNS/acme",
    "role_arn": ROLE,
}


@pytest.mark.parametrize(
    ("row", "field"),
    [(App(name="x", provider="pigeon"), "provider"), (Device(platform="pager", endpoint_state="active"), "platform")],
)
def test_a_row_names_what_the_registry_knows(row: App | Device, field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        row.clean()
    assert list(refused.value.message_dict) == [field]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"provider": "pigeon"}, "/provider"),
        ({"provider": "stub"}, "/provider"),
        ({"vapid": {}}, "/vapid"),
        ({"url": "http://127.0.0.1"}, "/url"),
    ],
)
def test_an_app_takes_the_fields_of_its_own_provider(backend: APIClient, change: dict[str, Any], pointer: str) -> None:
    response = backend.post("/v1/apps", SNS | change)
    assert (response.status_code, response.data["errors"][0]["pointer"]) == (422, pointer)


def test_a_web_push_app_has_no_role(backend: APIClient) -> None:
    response = backend.patch("/v1/apps/web", {"role_arn": ROLE})
    assert (response.status_code, response.data["errors"][0]["pointer"]) == (422, "/role_arn")
