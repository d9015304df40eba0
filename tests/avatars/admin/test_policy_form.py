"""A tenant's policy is checked when it is written."""

from typing import Any

import pytest
from django.test import Client

from avatars.models import AvatarPolicy
from tenants.services import TenantCreated

pytestmark = pytest.mark.django_db


def policy_post(client: Client, created: TenantCreated, **changes: str) -> Any:
    form = {"tenant": str(created.tenant.id), "sizes": "64,128", "max_bytes": 10**6, "max_pixels": 10**7}
    form |= {"appeal_days": 0, "engine_down": "review", "engine_down_minutes": 15, "push": "visible"}
    return client.post("/admin/avatars/avatarpolicy/add/", form | {"texts": "{}", "thresholds": "{}"} | changes)


def test_thresholds_are_checked(admin_client: Client, acme: TenantCreated) -> None:
    page = policy_post(admin_client, acme, thresholds='{"Alcohool": {}}')
    assert "/Alcohool: is not a category" in page.content.decode()
    policy_post(admin_client, acme, thresholds='{"Alcohol": {"review": 60}}')
    assert AvatarPolicy.objects.get().thresholds == {"Alcohol": {"review": 60}}


@pytest.mark.parametrize("empty", ["", "null", "{}"])
def test_a_field_that_is_left_out_is_empty(admin_client: Client, acme: TenantCreated, empty: str) -> None:
    policy_post(admin_client, acme, texts=empty, thresholds=empty)
    policy = AvatarPolicy.objects.get()
    assert (policy.texts, policy.thresholds) == ({}, {})


def test_texts_are_kept(admin_client: Client, acme: TenantCreated) -> None:
    policy_post(admin_client, acme, texts='{"approved": {"title": "Oi!"}, "failed": {}}')
    assert AvatarPolicy.objects.get().texts == {"approved": {"title": "Oi!"}, "failed": {}}


@pytest.mark.parametrize(
    "texts",
    [
        *(
            "[1]",
            '"x"',
            "5",
            "1e400",
            "{",
            '{"approved": Infinity}',
            '{"approved": 5}',
            '{"approved": {"title": null}}',
        ),
        *('{"approved": {"title": "\\u0000"}}', '{"approved": {"title": "\\ud800"}}'),
        *('{"aproved": {"title": "Oi!"}}', '{"approved": {"titel": "Oi!"}}'),
        *('{"approved": {"title": "%s"}}' % ("x" * 501), '{"approved": {"title": "%s"}}' % ("😀" * 400)),
    ],
)
def test_texts_that_cannot_be_sent_are_refused(admin_client: Client, acme: TenantCreated, texts: str) -> None:
    response = policy_post(admin_client, acme, texts=texts)
    assert list(response.context["adminform"].form.errors) == ["texts"]
    assert not AvatarPolicy.objects.exists()
