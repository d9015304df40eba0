"""The console finds apps and devices, shows no secrets, and its actions call the services."""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from devices.bulk.models import Job, JobError, JobState
from devices.models import App, AwsQuota, CallbackReceipt, Device, VapidKey
from tenants.services import TenantCreated
from tests.devices.conftest import web_body
from tests.fixtures import ClientFor

pytestmark = pytest.mark.django_db

ARN = "arn:aws:sns:eu-west-1:123456789012:app/APNS/acme"
UNKNOWN_ID = "9b2f6c1e-4a53-4a2f-9f0e-0c1d2e3f4a5b"


@pytest.fixture
def device(acme: TenantCreated, client_for: ClientFor) -> Device:
    client_for(acme).put(f"/v1/devices/{uuid4()}", web_body(user_id="alice"))
    AwsQuota.objects.create(account_id="123456789012", region="eu-west-1", tokens=1)
    device = Device.objects.get()
    CallbackReceipt.objects.create(tenant=acme.tenant, app=device.app, message_id="m-1")
    job = Job.objects.create(tenant=acme.tenant, caller="key:test", kind=Job.Kind.IMPORT, state=JobState.RUNNING)
    JobError.objects.create(tenant=acme.tenant, job=job, line=7, code="invalid", detail="Not a platform.")
    return device


def act(client: Client, model: str, action: str, row: Any) -> None:
    client.post(f"/admin/devices/{model}/", {"action": action, "_selected_action": [str(row.pk)]})


@pytest.mark.parametrize("kind", [App, VapidKey, Device, AwsQuota, CallbackReceipt, Job, JobError])
def test_lists_and_rows_open(device: Device, admin_client: Client, kind: Any) -> None:
    where = f"/admin/devices/{kind.__name__.lower()}/"
    assert admin_client.get(where).status_code == 200
    assert admin_client.get(f"{where}{kind.objects.first().pk}/change/").status_code == 200


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("app/?provider__exact=webpush", True),
        ("app/?provider__exact=sns", False),
        ("device/?platform__exact=web", True),
        ("device/?platform__exact=ios", False),
    ],
)
def test_lists_are_filtered_by_what_the_registry_knows(
    device: Device, admin_client: Client, page: str, found: bool
) -> None:
    row = str(device.app_id if page.startswith("app") else device.pk)
    with CaptureQueriesContext(connection) as captured:
        text = admin_client.get(f"/admin/devices/{page}").content.decode()
    assert (f"/{row}/change/" in text) is found
    scans = [query["sql"] for query in captured if re.search(r'DISTINCT "\w+"."(provider|platform)"', query["sql"])]
    assert scans == []


@pytest.mark.parametrize("kind", [App, VapidKey, Device])
def test_pages_show_no_secret(device: Device, admin_client: Client, kind: Any) -> None:
    row = kind.objects.first()
    page = admin_client.get(f"/admin/devices/{kind.__name__.lower()}/{row.pk}/change/").content.decode()
    assert "sealed" not in page
    assert "memory at" not in page
    assert "secret_hash" not in page


@pytest.mark.parametrize("term", ["{device.device_id}", "{device.user.user_id}"])
def test_a_device_is_found_by_its_id_and_by_its_user(device: Device, admin_client: Client, term: str) -> None:
    page = admin_client.get("/admin/devices/device/", {"q": term.format(device=device)})
    assert str(device.device_id) in page.content.decode()


def test_a_device_is_found_by_its_arn(device: Device, admin_client: Client) -> None:
    App.objects.update(platform_application_arn=ARN)
    endpoint = f"{ARN.replace(':app/', ':endpoint/')}/0f0f"
    Device.objects.update(endpoint_arn=endpoint)
    assert str(device.device_id) in admin_client.get("/admin/devices/device/", {"q": endpoint}).content.decode()


def test_another_term_finds_nothing(device: Device, admin_client: Client) -> None:
    page = admin_client.get("/admin/devices/device/", {"q": "bob"}).content.decode()
    assert str(device.device_id) not in page


@pytest.mark.parametrize("term", [UNKNOWN_ID, "alice", f"{ARN.replace(':app/', ':endpoint/')}/0f0f"])
def test_no_search_reads_the_whole_table(device: Device, admin_client: Client, term: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        admin_client.get("/admin/devices/device/", {"q": term})
    search = next(q["sql"] for q in queries if 'FROM "devices_device"' in q["sql"] and "WHERE" in q["sql"])
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {search}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan on devices_device" not in plan


def test_disabling_and_enabling_a_device(device: Device, admin_client: Client) -> None:
    act(admin_client, "device", "disable", device)
    device.refresh_from_db()
    assert (device.endpoint_state, device.endpoint_reason) == ("disabled", "operator")
    act(admin_client, "device", "enable", device)
    device.refresh_from_db()
    assert device.endpoint_state == "active"


def test_the_history_names_the_operator(device: Device, admin_client: Client, admin_user: User) -> None:
    act(admin_client, "device", "disable", device)
    entry = LogEntry.objects.get(object_id=str(device.pk))
    assert (entry.user_id, entry.get_change_message()) == (admin_user.pk, "disable: done")


def test_rotating_a_vapid_key(device: Device, admin_client: Client) -> None:
    act(admin_client, "app", "rotate_vapid_key", device.app)
    assert VapidKey.objects.count() == 2


def test_verifying_and_switching_an_app(device: Device, admin_client: Client) -> None:
    act(admin_client, "app", "verify", device.app)
    assert App.objects.get().verify_due_at is not None
    act(admin_client, "app", "disable", device.app)
    assert App.objects.get().state == "disabled"
    act(admin_client, "app", "enable", device.app)
    assert App.objects.get().state == "active"


def test_an_operator_lends_the_servers_identity(acme: TenantCreated) -> None:
    call_command("app_create_operator", "acme", "acme-ios", ARN, "--ambient")
    assert App.objects.get(name="acme-ios").credential_kind == "ambient"


def test_an_arn_of_another_tenant_gives_a_one_line_error(acme: TenantCreated, globex: TenantCreated) -> None:
    call_command("app_create_operator", "acme", "acme-ios", ARN, "--ambient")
    with pytest.raises(CommandError, match="may not be used"):
        call_command("app_create_operator", "globex", "theirs", ARN, "--ambient")


def test_an_operator_cancels_a_job(device: Device, admin_client: Client) -> None:
    act(admin_client, "job", "cancel", Job.objects.get())
    assert Job.objects.get().state == JobState.CANCELLED
