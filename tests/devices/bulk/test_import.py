"""A line of an import does what its PUT would do."""

import gzip
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from devices.models import Device
from devices.services import device_disable
from events.models import Event
from tenants.services import TenantCreated
from tests.devices.bulk.conftest import Registry, counts, line, ndjson
from tests.devices.conftest import SnsApp, apns_token, subscription, web_body
from tests.fixtures import ClientFor


def test_new_devices_and_their_users_are_created(registry: Registry) -> None:
    job = registry.load(ndjson(line(user_id=f"user-{number % 2}") for number in range(3)))
    assert (job["state"], counts(job)) == ("completed", {"done": 3, "total": 3, "created": 3})
    assert set(Device.objects.values_list("user__user_id", "endpoint_state")) == {
        ("user-0", "active"),
        ("user-1", "active"),
    }


def test_every_field_of_a_put_is_imported(registry: Registry) -> None:
    said = {
        "locale": "pt-BR",
        "timezone": "Europe/Lisbon",
        "app_version": "4.2",
        "os_version": "18",
        "tags": ["b", "a"],
    }
    one = line(user_id="alice", attributes={"plan": "pro", "n": 1, "deep": {"er": [None]}}, **said)
    registry.load(ndjson([one]))
    device = registry.client.get(f"/v1/devices/{one['device_id']}").json()
    assert {name: device[name] for name in said} == said
    assert (device["attributes"], device["user_id"]) == (one["attributes"], "alice")


def test_the_same_file_again_changes_nothing(registry: Registry) -> None:
    body = ndjson(line(user_id="alice") for _ in range(3))
    registry.load(body)
    before = list(Device.objects.order_by("id").values())
    assert counts(registry.load(body)) == {"done": 3, "total": 3, "unchanged": 3}
    assert list(Device.objects.order_by("id").values()) == before


def test_a_new_subscription_replaces_the_old(registry: Registry) -> None:
    one = line()
    registry.load(ndjson([one]))
    job = registry.load(ndjson([one | {"subscription": subscription()}]))
    assert counts(job) == {"done": 1, "total": 1, "updated": 1}
    assert Device.objects.get().token_version == 2


def test_another_user_ends_the_old_mapping(registry: Registry) -> None:
    one = line(user_id="alice")
    registry.load(ndjson([one]))
    before = Device.objects.get()
    registry.load(ndjson([one | {"user_id": "bob"}]))
    after = Device.objects.get()
    assert (after.generation, after.mapping_id == before.mapping_id) == (2, False)
    assert Event.objects.get(type="device.user_changed").data == {"from": "alice", "to": "bob"}


def test_a_missing_field_stays_and_null_logs_out(registry: Registry) -> None:
    one = line(user_id="alice", locale="pt-BR")
    registry.load(ndjson([one]))
    bare = {name: one[name] for name in ("device_id", "platform", "subscription")}
    registry.load(ndjson([bare]))
    assert Device.objects.values_list("user__user_id", "locale").get() == ("alice", "pt-BR")
    registry.load(ndjson([bare | {"user_id": None}]))
    assert Device.objects.get().user is None


def test_a_device_whose_token_another_registers_is_retired(registry: Registry) -> None:
    known = line()
    registry.load(ndjson([known]))
    moved = known | {"device_id": str(uuid4())}
    registry.load(ndjson([line(), moved, line()]))
    live = Device.objects.filter(deleted_at=None).values_list("device_id", flat=True)
    assert known["device_id"] not in map(str, live)
    assert moved["device_id"] in map(str, live)
    assert len(live) == 3


def test_a_later_line_wins_over_an_earlier_one(registry: Registry) -> None:
    one, other = line(user_id="alice"), line()
    again = one | {"user_id": "bob"}
    taken = other | {"device_id": str(uuid4())}
    job = registry.load(ndjson([one, other, again, taken]))
    assert counts(job) == {"done": 4, "total": 4, "created": 3, "updated": 1}
    live = dict(Device.objects.filter(deleted_at=None).values_list("device_id", "user__user_id"))
    assert {str(key): value for key, value in live.items()} == {one["device_id"]: "bob", taken["device_id"]: None}


def test_two_devices_swap_their_tokens(registry: Registry) -> None:
    one, other = line(), line()
    registry.load(ndjson([one, other]))
    swapped = [
        one | {"subscription": other["subscription"]},
        other | {"subscription": one["subscription"]},
    ]
    assert registry.load(ndjson(swapped))["progress"]["failed"] == 0
    assert Device.objects.filter(deleted_at=None).count() == 2


def test_an_operators_switch_outlives_an_import(registry: Registry, acme: TenantCreated) -> None:
    one = line()
    registry.load(ndjson([one]))
    device_disable(tenant=acme.tenant, device_id=Device.objects.get().device_id)
    registry.load(ndjson([one | {"subscription": subscription()}]))
    assert Device.objects.values_list("endpoint_state", "endpoint_reason").get() == ("disabled", "operator")


def test_an_sns_device_waits_for_its_endpoint(registry: Registry, acme: TenantCreated, sns_app: SnsApp) -> None:
    sns_app(acme.tenant)
    registry.load(ndjson([{"device_id": str(uuid4()), "platform": "ios", "token": apns_token().upper()}]))
    device = Device.objects.get()
    assert device.endpoint_state == "pending"
    assert device.provision_due_at is not None


def test_due_times_are_by_the_databases_clock(
    registry: Registry, acme: TenantCreated, sns_app: SnsApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    sns_app(acme.tenant)
    one = {"device_id": str(uuid4()), "platform": "ios", "token": apns_token()}
    registry.load(ndjson([one]))
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(minutes=30))
    registry.load(ndjson([one | {"token": apns_token()}]))
    due = Device.objects.get().provision_due_at
    assert due is not None
    assert due < now + timedelta(minutes=1)


def test_a_device_that_moves_to_another_app_gets_a_new_row(
    registry: Registry, acme: TenantCreated, sns_app: SnsApp
) -> None:
    for name in ("one", "two"):
        sns_app(acme.tenant, name=name)
    here = {"device_id": str(uuid4()), "platform": "ios", "token": apns_token(), "app": "one"}
    registry.load(ndjson([here]))
    registry.load(ndjson([here | {"app": "two"}]))
    assert Device.objects.get(deleted_at=None).app.name == "two"


def test_a_line_that_moves_a_token_uses_the_files_app(registry: Registry, acme: TenantCreated, sns_app: SnsApp) -> None:
    for name in ("one", "two"):
        sns_app(acme.tenant, name=name)
    lines = [{"device_id": str(uuid4()), "platform": "ios", "token": "0f" * 32} for _ in range(2)]
    job = registry.load(ndjson(lines), query="?app=two")
    assert counts(job) == {"done": 2, "total": 2, "created": 2}
    assert Device.objects.get(deleted_at=None).app.name == "two"


def test_a_pinpoint_endpoint_that_moves_a_token_uses_its_channels_app(
    registry: Registry, acme: TenantCreated, sns_app: SnsApp
) -> None:
    for platform in ("APNS", "APNS_SANDBOX"):
        sns_app(acme.tenant, platform, platform.lower().replace("_", "-"))
    endpoint = {"ChannelType": "APNS_SANDBOX", "Address": "0f" * 32}
    job = registry.load(ndjson(endpoint | {"Id": number} for number in "12"))
    assert counts(job) == {"done": 2, "total": 2, "created": 2}
    assert Device.objects.get(deleted_at=None).app.name == "apns-sandbox"


def test_the_devices_own_first_put_shows_its_secret(
    registry: Registry, acme: TenantCreated, user_client: ClientFor
) -> None:
    one = line(user_id="alice")
    registry.load(ndjson([one]))
    alice = user_client(acme, "alice")
    body = {"platform": "web", "subscription": one["subscription"]}
    first, second = (alice.put(f"/v1/devices/{one['device_id']}", body) for _ in range(2))
    assert first.json()["device_secret"].startswith("phd_")
    assert "device_secret" not in second.json()


def test_a_line_that_moves_a_token_keeps_the_secret_for_the_device(registry: Registry) -> None:
    known = line()
    registry.load(ndjson([known]))
    moved = known | {"device_id": str(uuid4())}
    registry.load(ndjson([moved]))
    again = registry.client.put(f"/v1/devices/{moved['device_id']}", web_body())
    assert "device_secret" in again.json()


def test_an_import_records_the_events_of_registrations(registry: Registry) -> None:
    one = line(user_id="alice")
    registry.load(ndjson([one]))
    event = Event.objects.get(type="device.registered")
    assert (event.subject, event.data) == (one["device_id"], {"user_id": "alice", "platform": "web", "app": "web"})


def test_gzip_with_several_members_is_unpacked(registry: Registry) -> None:
    packed = gzip.compress(ndjson([line()])) + gzip.compress(ndjson([line()]))
    assert counts(registry.load(packed))["created"] == 2


def test_an_empty_file_completes_at_once(registry: Registry) -> None:
    assert registry.load(b"")["state"] == "completed"
