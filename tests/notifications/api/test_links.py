"""A notification links to https, and to the schemes that the tenant has registered."""

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from rest_framework.test import APIClient

from notifications.models import Notification
from pushhub.kernel.errors import ApiError
from tenants.models import LINK_SCHEME
from tenants.services import TenantCreated, tenant_link_schemes
from tests.fixtures import ClientFor

DANGEROUS = [
    "intent://scan/#Intent;scheme=zxing;end",
    "content://com.example/1",
    "filesystem:https://example.com/x",
    "jar:https://example.com/a.jar!/x",
    "resource://android/x",
    "mhtml:https://example.com/x",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "vbscript:x",
    "view-source:https://example.com",
    "unknown-to-this-list:x",
]


@pytest.fixture
def backend(acme: TenantCreated, client_for: ClientFor) -> APIClient:
    tenant_link_schemes(tenant=acme.tenant, schemes=["acme", "acme-beta"])
    return client_for(acme)


def body(url: str, *, dry_run: bool = False) -> dict[str, object]:
    return {"to": {"users": ["alice"]}, "content": {"title": "Hello", "url": url}, "dry_run": dry_run}


@pytest.mark.parametrize("url", ["https://example.com/x", "acme://order/7", "ACME:order", "acme-beta://x"])
def test_https_and_registered_schemes_are_accepted(backend: APIClient, url: str) -> None:
    assert backend.post("/v1/notifications", body(url)).status_code == 202


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("url", DANGEROUS)
def test_other_schemes_are_refused(backend: APIClient, url: str, dry_run: bool) -> None:
    response = backend.post("/v1/notifications", body(url, dry_run=dry_run))
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "link_refused")
    assert [error["pointer"] for error in problem["errors"]] == ["/content/url"]
    assert not Notification.objects.exists()


def test_a_scheme_of_another_tenant_is_refused(
    backend: APIClient, globex: TenantCreated, client_for: ClientFor
) -> None:
    assert client_for(globex).post("/v1/notifications", body("acme://order/7")).json()["code"] == "link_refused"


@pytest.mark.parametrize("scheme", ["http", "https", "intent", "javascript", "jar", "Acme", "a", "ac me", "acme:", ""])
def test_some_schemes_cannot_be_registered(db: None, acme: TenantCreated, scheme: str) -> None:
    with pytest.raises(ValidationError):
        LINK_SCHEME(scheme)
    with pytest.raises(ApiError):
        tenant_link_schemes(tenant=acme.tenant, schemes=["acme", scheme])


def test_the_command_replaces_the_list(acme: TenantCreated, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("tenant_link_schemes", "acme", "acme", "acme-beta")
    call_command("tenant_link_schemes", "acme", "acme")
    acme.tenant.refresh_from_db()
    assert acme.tenant.link_schemes == ["acme"]
    assert "acme: acme" in capsys.readouterr().out
