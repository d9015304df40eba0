"""The pages for people: the docs, which load no scripts and no external files, and the login page of the admin."""

import gzip
import re

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client

from pushhub.http import docs

DOCUMENTS = ["/docs", "/docs/errors", "/v1/openapi.json"]


def test_docs_errors_md_is_current() -> None:
    call_command("errors_doc", "--check")


@pytest.mark.parametrize("address", ["/docs", "/docs/errors"])
def test_docs_load_no_other_files(address: str) -> None:
    response = Client().get(address)
    page = response.content.decode()
    assert response.status_code == 200
    assert not re.search(r"<script|src=|<link|https?://(?!localhost)[^\s\"]+\.(js|css|png|woff)", page)
    assert "default-src 'none'" in response["Content-Security-Policy"]


def test_the_callbacks_of_vendors_come_last() -> None:
    tags = re.findall(r'<h2 id="tag-([a-z]+)', Client().get("/docs").content.decode())
    assert tags[-1] == "callbacks"
    assert tags[:-1] == sorted(tags[:-1])


def test_the_type_of_a_problem_is_the_address_of_its_row() -> None:
    assert 'id="payload_too_large"' in Client().get("/docs/errors").content.decode()


def test_the_openapi_document_is_of_version_3_1() -> None:
    assert Client().get("/v1/openapi.json").json()["openapi"][:3] == "3.1"


@pytest.mark.parametrize("address", DOCUMENTS)
def test_documents_have_an_etag(address: str) -> None:
    first = Client().get(address)
    again = Client().get(address, headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (
        {"public", "max-age=300"} == set(first["Cache-Control"].split(", ")) == set(again["Cache-Control"].split(", "))
    )


@pytest.mark.parametrize("address", DOCUMENTS)
def test_documents_are_rendered_and_compressed_once(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Client().get(address).content
    monkeypatch.setattr(docs, "render_to_string", None)
    monkeypatch.setattr(docs, "gzip", None)
    monkeypatch.setattr("django.middleware.gzip.compress_string", None)
    again = Client().get(address, headers={"accept-encoding": "br, gzip"})
    assert again["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in again["Vary"]
    assert (gzip.decompress(again.content), Client().get(address).content) == (plain, plain)


def test_the_login_page_and_its_styles_are_served(db: None) -> None:
    page = Client().get("/admin/login/").content.decode()
    styles = re.findall(r'<link[^>]* href="(/static/[^"]+\.(?:css|svg))"', page)
    assert {address.rpartition(".")[2] for address in styles} == {"css", "svg"}
    assert [Client().get(address).status_code for address in styles] == [200] * len(styles)


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("viewer", "devices.view_device", "devices.change_device"),
        ("support", "devices.change_device", "tenants.change_apikey"),
        ("admin", "tenants.change_apikey", "auth.change_user"),
    ],
)
def test_migrate_creates_the_roles(db: None, role: str, may: str, may_not: str) -> None:
    user = User.objects.create_user("operator", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    assert user.has_perm(may)
    assert not user.has_perm(may_not)


def test_the_console_shows_only_the_models_that_an_operator_may_see(db: None) -> None:
    user = User.objects.create_user("operator", is_staff=True)
    client = Client()
    client.force_login(user)
    page = client.get("/admin/").content.decode()
    assert "this machine" in page
    assert "/admin/auth/user/" not in page
