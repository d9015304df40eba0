"""An installation of version 0.1 keeps everything through the migrations, and every page and list opens afterwards."""

from __future__ import annotations

import hashlib

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from pushhub.kernel.crypto import unseal
from tenants.sealed import sealed_columns
from tests.fixtures import bearer_client
from tests.upgrade.conftest import Upgraded, permissions_of_groups, table_files

PAGES = 40  # of rows, each list
LISTS = [
    "/v1/apps",
    "/v1/devices?limit=200",
    "/v1/notifications?limit=200",
    "/v1/topics",
    "/v1/jobs",
    "/v1/events?limit=200",
    "/v1/avatars?user_id=alice",
]
MADE_ANEW = {"auth_permission", "django_content_type"}  # migrate adds those of new models


@pytest.fixture
def console(database: Upgraded) -> Client:
    client = Client()
    client.force_login(User.objects.get(username="root"))
    return client


def statement(sql: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def test_no_row_is_lost(database: Upgraded) -> None:
    after = {table: statement(f"SELECT count(*) FROM {table}")[0][0] for table in database.rows}
    lost = {table: (count, after[table]) for table, count in database.rows.items() if after[table] != count}
    assert {table for table in lost if table not in MADE_ANEW} == set()
    assert database.rows["notifications_delivery"] == 10_000


def test_tables_are_renamed_and_not_copied(database: Upgraded) -> None:
    after = table_files()
    assert {table for table, number in database.files.items() if after.get(table) != number} == set()


def test_groups_keep_their_permissions(database: Upgraded) -> None:
    """The same rows: what an operator granted on a renamed model is still granted."""
    renamed = {"budget": "ratelimit", "lanesignal": "lanewakeup", "doubt": "suspectoutcome"}
    after = permissions_of_groups()
    for group, granted in database.permissions.items():
        for permission in granted:
            action, _, model = permission.rpartition("_")
            assert f"{action}_{renamed.get(model, model)}" in after[group]


def test_renamed_models_have_one_content_type(database: Upgraded) -> None:
    names = [name for (name,) in statement("SELECT app_label || '.' || model FROM django_content_type")]
    assert len(names) == len(set(names))
    assert {"notifications.budget", "notifications.doubt", "notifications.lanesignal"} & set(names) == set()


def test_stored_words_are_translated(database: Upgraded) -> None:
    kinds = {kind for (kind,) in statement("SELECT DISTINCT kind FROM notifications_hold")}
    assert kinds == {"credentials", "gone_spike"}


def test_every_sealed_value_opens(database: Upgraded) -> None:
    """With today's purposes: a purpose that was derived from a model's new name would open nothing."""
    opened: dict[str, dict[str, str]] = {}
    for column in sealed_columns():
        rows = statement(f"SELECT {column.pk}, {column.column} FROM {column.table} WHERE {column.column} IS NOT NULL")
        opened[column.purpose] = {
            str(pk): hashlib.sha256(unseal(bytes(sealed), purpose=column.purpose)).hexdigest()[:16]  # type: ignore[call-overload]
            for pk, sealed in rows
        }
    assert opened == database.facts["sealed"]


@pytest.mark.parametrize("path", LISTS)
def test_every_list_of_the_api_opens(database: Upgraded, path: str) -> None:
    """To its last page, for both tenants."""
    for key in ("acme, all scopes", "globex, all scopes"):
        client = bearer_client(database.facts["server_keys"][key])
        following: str | None = path
        while following:
            response = client.get(following)
            assert response.status_code == 200, (following, response.content[:300])
            cursor = response.json().get("next")
            following = f"{path}{'&' if '?' in path else '?'}cursor={cursor}" if cursor else None


def test_every_notification_and_its_deliveries_are_read(database: Upgraded) -> None:
    client = bearer_client(database.facts["server_keys"]["acme, all scopes"])
    for row in client.get("/v1/notifications?limit=200").json()["data"]:
        assert client.get(f"/v1/notifications/{row['id']}").status_code == 200
        assert client.get(f"/v1/notifications/{row['id']}/deliveries?limit=200").status_code == 200


MODELS = [model for model in apps.get_models() if admin.site.is_registered(model)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_page_of_the_console_opens(database: Upgraded, console: Client, model: type[Model]) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert console.get(reverse(f"{name}_changelist")).status_code == 200
    for pk in model._default_manager.order_by("pk").values_list("pk", flat=True)[:PAGES]:
        assert console.get(reverse(f"{name}_change", args=[pk])).status_code in {200, 403}, pk
