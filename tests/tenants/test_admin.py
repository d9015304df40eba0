"""The console's pages of tenants: they open, show secrets once, and change rows through services."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from events.models import Event
from events.services import event_record
from events.types import EventType
from tenants.admin_base import COUNT_CAP
from tenants.erasure import ERASED
from tenants.models import ApiKey, EndUser, IdentityKey, Tenant
from tenants.server_keys import PATTERN
from tenants.services import TenantCreated, end_user_ensure
from tests.fixtures import bearer_client

pytestmark = pytest.mark.django_db

MODELS = [
    "tenants/tenant",
    "tenants/apikey",
    "tenants/identitykey",
    "tenants/enduser",
    "tenants/idempotencyrecord",
    "events/event",
]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("query", ["", "?q=alice", "?q=%00", "?q=%27%22%3B"])
def test_lists_open_with_any_search_term(acme: TenantCreated, admin_client: Client, model: str, query: str) -> None:
    end_user_ensure(tenant=acme.tenant, user_id="alice")
    assert admin_client.get(f"/admin/{model}/{query}", follow=True).status_code == 200


@pytest.mark.parametrize(
    ("model", "kind"), [("tenant", Tenant), ("apikey", ApiKey), ("identitykey", IdentityKey), ("enduser", EndUser)]
)
def test_the_page_of_a_row_shows_no_secret(acme: TenantCreated, admin_client: Client, model: str, kind: Any) -> None:
    end_user_ensure(tenant=acme.tenant, user_id="alice")
    page = admin_client.get(f"/admin/tenants/{model}/{kind.objects.first().pk}/change/").content.decode()
    assert acme.identity_key.secret not in page
    assert acme.server_key not in page


def test_a_new_tenant_shows_its_secrets_once(admin_client: Client) -> None:
    response = admin_client.post("/admin/tenants/tenant/add/", {"slug": "acme", "name": "Acme"})
    assert b"phk_" in response.content
    assert "no-store" in response["Cache-Control"]
    assert ApiKey.objects.get().tenant == Tenant.objects.get(slug="acme")


def test_a_tenant_with_a_slug_in_use_is_refused(acme: TenantCreated, admin_client: Client) -> None:
    assert b"already exists" in admin_client.post("/admin/tenants/tenant/add/", {"slug": "acme"}).content


def test_a_new_server_key_is_shown_and_valid(acme: TenantCreated, admin_client: Client, settings: Any) -> None:
    form = {
        "tenant": str(acme.tenant.pk),
        "name": "ci",
        "scopes": ["users:read"],
        "expires_at_0": "",
        "expires_at_1": "",
    }
    page = admin_client.post("/admin/tenants/apikey/add/", form).content.decode()
    settings.ROOT_URLCONF = "tests.tenants.urls"
    shown = PATTERN.search(page)
    assert shown
    assert bearer_client(shown[0]).get("/who").status_code == 200


def test_the_revoke_action_revokes_a_key(acme: TenantCreated, admin_client: Client) -> None:
    selected = [str(ApiKey.objects.get().pk)]
    admin_client.post("/admin/tenants/apikey/", {"action": "revoke", "_selected_action": selected})
    assert ApiKey.objects.get().revoked_at is not None
    assert LogEntry.objects.get().get_change_message() == "revoke: done"


def test_the_secret_of_a_generated_identity_key_is_shown(acme: TenantCreated, admin_client: Client) -> None:
    form = {"tenant": str(acme.tenant.pk), "kid": "k2", "public_key": ""}
    assert b"Secret of k2" in admin_client.post("/admin/tenants/identitykey/add/", form).content


def test_an_invalid_public_key_is_refused(acme: TenantCreated, admin_client: Client) -> None:
    form = {"tenant": str(acme.tenant.pk), "kid": "k2", "public_key": "invalid"}
    assert b"not a PEM public key" in admin_client.post("/admin/tenants/identitykey/add/", form).content


def test_deleting_a_user_erases_the_user(acme: TenantCreated, admin_client: Client) -> None:
    user = end_user_ensure(tenant=acme.tenant, user_id="alice")
    admin_client.post(f"/admin/tenants/enduser/{user.pk}/delete/", {"post": "yes"})
    assert not EndUser.objects.exists()
    assert Event.objects.filter(type="user.erased").exists()


def test_the_admin_log_does_not_contain_the_id_of_an_erased_user(acme: TenantCreated, admin_client: Client) -> None:
    user = end_user_ensure(tenant=acme.tenant, user_id="alice")
    admin_client.post(f"/admin/tenants/enduser/{user.pk}/change/", {"attributes": "{}", "locale": "pt"})
    admin_client.post(f"/admin/tenants/enduser/{user.pk}/delete/", {"post": "yes"})
    assert set(LogEntry.objects.values_list("object_id", "object_repr")) == {(str(user.pk), ERASED)}


def test_the_form_changes_the_profile_of_a_user(acme: TenantCreated, admin_client: Client) -> None:
    user = end_user_ensure(tenant=acme.tenant, user_id="alice")
    form = {"attributes": '{"plan": "gold"}', "locale": "pt-BR", "timezone": "Europe/Lisbon"}
    admin_client.post(f"/admin/tenants/enduser/{user.pk}/change/", form)
    user.refresh_from_db()
    assert (user.attributes, user.locale, user.timezone) == ({"plan": "gold"}, "pt-BR", "Europe/Lisbon")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        *(
            ({"attributes": text}, "attributes")
            for text in ["5", "null", '{"a": "\\u0000"}', '{"a": NaN}', "{", "\ud7ff"]
        ),
        ({"locale": "a\u202eb"}, "locale"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
    ],
)
def test_the_form_refuses_values_that_the_api_refuses(
    acme: TenantCreated, admin_client: Client, change: dict[str, str], field: str
) -> None:
    user = end_user_ensure(tenant=acme.tenant, user_id="alice")
    form = {"attributes": "{}", "locale": "", "timezone": "", **change}
    response = admin_client.post(f"/admin/tenants/enduser/{user.pk}/change/", form)
    assert list(response.context["adminform"].form.errors) == [field]


@pytest.mark.parametrize("limits", ["5", '{"servers": 5}', '{"server": "5"}', '{"user": 0}', '{"user": true}'])
def test_invalid_rate_limits_are_refused(acme: TenantCreated, admin_client: Client, limits: str) -> None:
    response = admin_client.post(f"/admin/tenants/tenant/{acme.tenant.pk}/change/", {"rate_limits": limits})
    assert "rate_limits" in response.context["adminform"].form.errors


@pytest.mark.parametrize(
    "address",
    [
        "notifications/notification/?state__exact=%00",
        "avatars/avatar/review/?tenant=%00",
        "autocomplete/?term=%00&app_label=tenants&model_name=apikey&field_name=tenant",
        "auth/group/?name=%00",
        "tenants/apikey/add/?tenant=abc",
        "tenants/apikey/add/?expires_at=abc",
    ],
)
def test_an_invalid_query_is_refused(admin_client: Client, address: str) -> None:
    assert admin_client.get(f"/admin/{address}").status_code == 400


@pytest.mark.parametrize("page", ["x", "0", "99"])
def test_a_page_after_the_last_page_of_a_search_is_not_found(admin_client: Client, page: str) -> None:
    assert admin_client.get(f"/admin/search/?s=a&page={page}").status_code == 404


def test_a_link_may_fill_in_the_tenant_of_a_form(acme: TenantCreated, admin_client: Client) -> None:
    assert admin_client.get(f"/admin/tenants/apikey/add/?tenant={acme.tenant.pk}&name=x").status_code == 200


def test_an_action_with_an_invalid_id_is_refused(admin_client: Client) -> None:
    form = {"action": "redrive", "_selected_action": ["abc"]}
    assert admin_client.post("/admin/avatars/avatar/", form).status_code == 400


def test_the_form_of_a_user_may_omit_the_attributes(acme: TenantCreated, admin_client: Client) -> None:
    user = end_user_ensure(tenant=acme.tenant, user_id="alice")
    assert admin_client.post(f"/admin/tenants/enduser/{user.pk}/change/", {"locale": "pt"}).status_code == 302


def test_a_search_for_an_id_does_not_compare_texts(acme: TenantCreated, admin_client: Client) -> None:
    event = event_record(tenant=acme.tenant, type=EventType.AVATAR_DELETED)
    with CaptureQueriesContext(connection) as queries:
        page = admin_client.get("/admin/events/event/", {"q": str(event.id)})
    assert [row.id for row in page.context["cl"].result_list] == [event.id]
    assert not any("::varchar" in query["sql"] for query in queries)


def test_a_search_term_that_is_no_id_finds_nothing(acme: TenantCreated, admin_client: Client) -> None:
    event_record(tenant=acme.tenant, type=EventType.AVATAR_DELETED)
    assert not admin_client.get("/admin/events/event/", {"q": "avatar.deleted"}).context["cl"].result_list


@pytest.mark.parametrize("model", ["tenants/idempotencyrecord", "events/event"])
def test_history_cannot_be_added(admin_client: Client, model: str) -> None:
    assert admin_client.get(f"/admin/{model}/add/").status_code == 403


def test_lists_count_up_to_a_cap(acme: TenantCreated, admin_client: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        admin_client.get("/admin/tenants/enduser/")
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"] and "tenants_enduser" in query["sql"]]
    assert counts
    assert all(f"LIMIT {COUNT_CAP}" in sql for sql in counts)
