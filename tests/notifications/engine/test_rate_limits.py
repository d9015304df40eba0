"""Deliveries per second of an AWS account and of a tenant: tokens are taken at the claim, by all workers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from devices.models import App
from notifications.engine.claim import deliveries_unsent, lane_claim
from notifications.engine.dispatcher import Dispatcher
from notifications.engine.lanes import LanePicker, lane_wakeups_apply
from notifications.engine.rate_limits import lane_rate_limits, rate_limits_acquire, rate_limits_release
from notifications.engine.types import Claimed, PickedLane
from notifications.expansion.expand import expansion_begin
from notifications.models import Delivery, Lane, Notification, RateLimit
from providers.sns.quota import publish_rate
from providers.stub.server import StubServer, stub_server
from tenants.models import Tenant
from tests.notifications.builders import app_make, devices_make, dispatcher_make, notification_make, states

TENANT = {"tenant x": 100.0}


@pytest.fixture
def notification(acme: Tenant) -> Notification:
    devices = devices_make(acme, 10)
    notification = notification_make(acme, {"devices": [str(device.device_id) for device in devices]})
    expansion_begin(notification=notification)
    lane_wakeups_apply()
    return notification


def cap(tenant: Tenant, rate: int, *, left: float) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(deliveries_per_second=rate)
    RateLimit.objects.update_or_create(
        name=f"tenant {tenant.pk}", defaults={"tokens": left, "refilled_at": timezone.now()}
    )


def take(limit: int = 256) -> Claimed | None:
    lane = LanePicker().pick(limit=limit)
    return lane_claim(lane=lane, limit=limit, lease_seconds=60, send_seconds=10) if lane else None


def empty(name: str, *, ago: float = 0) -> None:
    RateLimit.objects.filter(name=name).update(tokens=0, refilled_at=timezone.now() - timedelta(seconds=ago))


@pytest.mark.parametrize(
    ("region", "rate"), [("us-east-1", 30_000), ("eu-west-1", 9_000), ("eu-central-1", 1_500), ("sa-east-1", 300)]
)
def test_aws_own_quotas(region: str, rate: int) -> None:
    assert publish_rate(region) == rate


def test_an_sns_lane_has_the_quota_of_its_account_and_region(acme: Tenant) -> None:
    lane = picked(acme, provider="sns", account_id="123456789012", region="eu-west-1")
    assert lane_rate_limits(lane) == {"sns 123456789012 eu-west-1": 9_000}


def test_a_capped_tenants_lane_has_its_cap_too(acme: Tenant) -> None:
    acme.deliveries_per_second = 50
    acme.save()
    lane = picked(acme, provider="sns", account_id="123456789012", region="sa-east-1")
    assert lane_rate_limits(lane) == {"sns 123456789012 sa-east-1": 300, f"tenant {acme.pk}": 50}


def test_a_web_push_lane_without_a_cap_has_no_rate_limit(acme: Tenant) -> None:
    assert lane_rate_limits(picked(acme)) == {}


def picked(tenant: Tenant, **columns: str) -> PickedLane:
    app = app_make(tenant)
    App.objects.filter(pk=app.pk).update(**columns)
    Lane.objects.create(tenant=tenant, app=app, delivery_class="bulk", next_due_at=timezone.now())
    lane = LanePicker().pick(limit=1)
    assert lane is not None
    return lane


@pytest.mark.django_db
def test_a_new_bucket_holds_one_second() -> None:
    assert rate_limits_acquire(TENANT, wanted=80).tokens == 80
    assert 20 <= rate_limits_acquire(TENANT, wanted=80).tokens <= 25


@pytest.mark.django_db
def test_an_empty_bucket_says_when_it_has_a_tenth_of_a_second() -> None:
    grant = [rate_limits_acquire(TENANT, wanted=100) for _ in range(2)][-1]
    assert grant.tokens == 0
    assert 0.05 < grant.wait <= 0.1


@pytest.mark.django_db
def test_time_fills_a_bucket_up_to_one_second() -> None:
    rate_limits_acquire(TENANT, wanted=100)
    empty("tenant x", ago=60)
    assert rate_limits_acquire(TENANT, wanted=1_000).tokens == 100


@pytest.mark.django_db
def test_the_rate_in_the_row_replaces_the_default() -> None:
    rate_limits_acquire(TENANT, wanted=1)
    RateLimit.objects.update(rate=500, refilled_at=timezone.now() - timedelta(seconds=60))
    assert rate_limits_acquire(TENANT, wanted=1_000).tokens == 500


@pytest.mark.django_db
def test_the_emptiest_of_several_buckets_decides_and_no_other_loses_more() -> None:
    assert rate_limits_acquire(TENANT | {"sns y": 30.0}, wanted=64).tokens == 30
    assert 70 <= rate_limits_acquire(TENANT, wanted=100).tokens <= 75


@pytest.mark.django_db
def test_a_rate_below_one_grants_a_token_in_several_seconds() -> None:
    slow = {"sns z": 0.1}
    assert rate_limits_acquire(slow, wanted=5).tokens == 1
    assert 9 < rate_limits_acquire(slow, wanted=5).wait <= 10


@pytest.mark.django_db
def test_tokens_that_were_not_used_are_released() -> None:
    rate_limits_acquire(TENANT, wanted=100)
    rate_limits_release(TENANT, tokens=40)
    assert 40 <= rate_limits_acquire(TENANT, wanted=100).tokens <= 45


@pytest.mark.django_db(transaction=True)
def test_all_workers_together_are_granted_no_more_than_the_bucket_has() -> None:
    both = {"sns a": 90.0, "tenant b": 100.0}

    def worker(_: int) -> int:
        try:
            return sum(rate_limits_acquire(both, wanted=7).tokens for _ in range(20))
        finally:
            connection.close()

    begin = timezone.now()
    with ThreadPoolExecutor(4) as pool:
        granted = sum(pool.map(worker, range(4)))
    elapsed = (timezone.now() - begin).total_seconds()
    assert 83 <= granted <= 90 + 90 * elapsed


def test_no_more_is_claimed_than_granted_and_the_lane_is_rate_limited(acme: Tenant, notification: Notification) -> None:
    cap(acme, 5, left=3)
    claimed = take()
    assert claimed is not None
    assert (claimed.count, claimed.rate_limited, states(notification)) == (3, True, {"sending": 3, "queued": 7})
    assert take() is None


def test_an_empty_bucket_changes_no_delivery_and_counts_no_attempt(acme: Tenant, notification: Notification) -> None:
    before = list(Delivery.objects.order_by("id").values())
    cap(acme, 1, left=0)
    claimed = take()
    assert claimed is not None
    assert (claimed.count, claimed.rate_limited) == (0, True)
    assert list(Delivery.objects.order_by("id").values()) == before


def test_a_rate_limited_lane_is_picked_again_when_its_bucket_has_tokens(
    acme: Tenant, notification: Notification
) -> None:
    cap(acme, 5, left=0)
    take()
    Lane.objects.update(rate_limited_until=timezone.now())
    empty(f"tenant {acme.pk}", ago=60)
    claimed = take()
    assert claimed is not None
    assert claimed.count == 5


def test_rate_limiting_a_lane_does_not_change_its_due_time(acme: Tenant, notification: Notification) -> None:
    due = Lane.objects.get().next_due_at
    cap(acme, 5, left=0)
    take()
    assert Lane.objects.get().next_due_at == due


def test_a_wakeup_does_not_end_the_wait_of_a_rate_limited_lane(acme: Tenant, notification: Notification) -> None:
    cap(acme, 1, left=0)
    take()
    expansion_begin(notification=notification_make(acme, notification.to))
    lane_wakeups_apply()
    assert take() is None


def test_deliveries_that_were_not_granted_are_not_charged_to_the_tenants_turns(
    acme: Tenant, notification: Notification
) -> None:
    cap(acme, 5, left=3)
    take()
    assert Lane.objects.get().served == 3


def test_tokens_of_deliveries_that_must_not_be_sent_are_released(acme: Tenant, notification: Notification) -> None:
    cap(acme, 10, left=10)
    Notification.objects.update(cancelled_at=timezone.now())
    take()
    assert RateLimit.objects.get().tokens == pytest.approx(10, abs=0.5)


def test_tokens_of_deliveries_that_go_back_unsent_are_released(acme: Tenant, notification: Notification) -> None:
    cap(acme, 10, left=10)
    claimed = take()
    assert claimed is not None
    deliveries_unsent(claimed.deliveries)
    assert RateLimit.objects.get().tokens == pytest.approx(10, abs=0.5)


@pytest.fixture(scope="module")
def vendor() -> Iterator[StubServer]:
    with stub_server() as server:
        yield server


@pytest.fixture
def dispatcher() -> Iterator[Dispatcher]:
    dispatcher = dispatcher_make(window=64)
    yield dispatcher
    dispatcher.close()


def broadcast(tenant: Tenant, vendor: StubServer, count: int) -> Notification:
    devices = devices_make(tenant, count, app=app_make(tenant, url=vendor.url))
    notification = notification_make(tenant, {"devices": [str(device.device_id) for device in devices]})
    expansion_begin(notification=notification)
    return notification


@pytest.mark.django_db(transaction=True)
def test_an_empty_bucket_takes_no_place_in_the_window(
    acme: Tenant, globex: Tenant, vendor: StubServer, dispatcher: Dispatcher
) -> None:
    cap(acme, 1, left=0)
    throttled, free = broadcast(acme, vendor, 300), broadcast(globex, vendor, 300)
    dispatcher.run(seconds=30, stopping=lambda: states(free) == {"accepted": 300})
    assert (states(free), Delivery.objects.filter(notification=throttled, attempt__gt=1).count()) == (
        {"accepted": 300},
        0,
    )
    assert states(throttled)["accepted"] < 30


@pytest.mark.django_db(transaction=True)
def test_a_capped_tenant_gets_its_rate_in_the_end(acme: Tenant, vendor: StubServer, dispatcher: Dispatcher) -> None:
    cap(acme, 50, left=0)
    notification = broadcast(acme, vendor, 60)
    begin = timezone.now()
    dispatcher.run(seconds=30, stopping=lambda: states(notification) == {"accepted": 60})
    assert states(notification) == {"accepted": 60}
    assert timezone.now() - begin >= timedelta(seconds=1)
