"""From the upload to the user's picture: what each decision changes."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from avatars.models import Avatar, AvatarPolicy, Decision, Moderation, TimelineEntry
from avatars.moderation.policy import ModerationAction
from avatars.services import avatar_decide, avatar_redrive
from avatars.states import AvatarState, WorkflowStep
from avatars.storage.base import StorageRetry
from avatars.storage.local import LocalStorage
from avatars.workflow.retry import MAX_LOST_LEASES
from avatars.workflow.saga import WORKFLOW
from events.models import Event
from notifications.models import Notification
from tenants.models import EndUser
from tenants.services import TenantCreated
from tests.avatars.core.builders import objects, picture, public, sweep, upload, work

pytestmark = pytest.mark.django_db(transaction=True)

APPROVED, REJECTED, REVIEWED = picture("lime"), picture("red"), picture("yellow")


def test_an_approved_picture_is_the_users(alice: APIClient, store: LocalStorage) -> None:
    avatar_id = upload(alice, APPROVED)
    work()
    assert alice.get(f"/v1/avatars/{avatar_id}").json()["state"] == "approved"
    shown = alice.get("/v1/users/alice").json()["picture"]
    assert shown["avatar_id"] == str(avatar_id)
    assert [(v["size"], v["format"]) for v in shown["variants"] if v["size"] == 256] == [(256, "webp"), (256, "jpeg")]
    assert len(public(store)) == len(shown["variants"]) == 8


def test_the_upload_is_removed_and_the_master_kept(alice: APIClient, store: LocalStorage) -> None:
    upload(alice, APPROVED)
    work()
    sweep()
    assert {key.split("/")[0] for key in objects(store)} == {"masters", "public"}


def test_a_rejected_picture_leaves_nothing(alice: APIClient, store: LocalStorage) -> None:
    avatar_id = upload(alice, REJECTED)
    work()
    sweep()
    response = alice.get(f"/v1/avatars/{avatar_id}").json()
    assert (response["state"], response["reason"]["code"]) == ("rejected", "policy")
    assert objects(store) == []
    assert EndUser.objects.get(user_id="alice").picture is None


def test_the_appeal_period_keeps_only_the_master(acme: TenantCreated, alice: APIClient, store: LocalStorage) -> None:
    AvatarPolicy.objects.create(tenant=acme.tenant, appeal_days=7)
    upload(alice, REJECTED)
    work()
    sweep()
    assert [key.split("/")[0] for key in objects(store)] == ["masters"]


def test_a_file_that_is_no_picture_is_rejected_with_its_reason(alice: APIClient, store: LocalStorage) -> None:
    avatar_id = upload(alice, b"<html>not a picture</html>")
    work()
    sweep()
    response = alice.get(f"/v1/avatars/{avatar_id}").json()
    assert (response["state"], response["reason"]["code"]) == ("rejected", "image_unrecognised")
    assert "Upload a JPEG" in response["reason"]["detail"]
    assert objects(store) == []


def test_an_uncertain_picture_waits_for_a_person(alice: APIClient, store: LocalStorage) -> None:
    avatar_id = upload(alice, REVIEWED)
    work()
    assert alice.get(f"/v1/avatars/{avatar_id}").json()["state"] == "in_review"
    assert public(store) == []


def test_a_reviewers_approval_publishes(acme: TenantCreated, alice: APIClient) -> None:
    avatar_id = upload(alice, REVIEWED)
    work()
    avatar_decide(
        tenant=acme.tenant, avatar_id=avatar_id, action=ModerationAction.APPROVE, reason="fine", reviewer="root"
    )
    work()
    assert alice.get("/v1/users/alice").json()["picture"]["avatar_id"] == str(avatar_id)
    last = Decision.objects.order_by("-id")[0]
    assert (last.action, last.reviewer, last.reason) == ("approve", "root", "fine")


def test_a_reviewers_rejection_takes_down(acme: TenantCreated, alice: APIClient, store: LocalStorage) -> None:
    avatar_id = upload(alice, APPROVED)
    work()
    avatar_decide(
        tenant=acme.tenant, avatar_id=avatar_id, action=ModerationAction.REJECT, reason="a logo", reviewer="root"
    )
    sweep()
    assert alice.get(f"/v1/avatars/{avatar_id}").json()["reason"] == {"code": "reviewer", "detail": "a logo"}
    assert alice.get("/v1/users/alice").json()["picture"] is None
    assert objects(store) == []


def test_the_previous_picture_stays_until_the_new_one_is_approved(alice: APIClient, store: LocalStorage) -> None:
    first = upload(alice, APPROVED)
    work()
    second = upload(alice, REVIEWED)
    work()
    assert alice.get("/v1/users/alice").json()["picture"]["avatar_id"] == str(first)
    assert alice.get(f"/v1/avatars/{second}").json()["state"] == "in_review"


def test_the_newer_picture_replaces_the_older_one(alice: APIClient, store: LocalStorage) -> None:
    first = upload(alice, APPROVED)
    work()
    second = upload(alice, picture("green"))
    work()
    sweep()
    assert alice.get("/v1/users/alice").json()["picture"]["avatar_id"] == str(second)
    assert alice.get(f"/v1/avatars/{first}").json()["state"] == "superseded"
    assert all(str(second) in key for key in objects(store))


def test_an_older_upload_that_ends_later_is_superseded(acme: TenantCreated, alice: APIClient) -> None:
    older = upload(alice, REVIEWED)
    work()
    newer = upload(alice, APPROVED)
    avatar_decide(tenant=acme.tenant, avatar_id=older, action=ModerationAction.APPROVE, reason="", reviewer="root")
    Avatar.objects.filter(id=older).update(due_at=None)
    work()
    assert Avatar.objects.get(id=older).state == AvatarState.SUPERSEDED
    assert alice.get("/v1/users/alice").json()["picture"]["avatar_id"] == str(newer)


@pytest.mark.parametrize(("data", "state"), [(APPROVED, "approved"), (REJECTED, "rejected"), (REVIEWED, "in_review")])
def test_the_result_is_pushed_and_recorded(alice: APIClient, data: bytes, state: str) -> None:
    avatar_id = upload(alice, data)
    work()
    push = Notification.objects.get()
    assert (push.to, push.category, push.content["data"]["state"]) == ({"users": ["alice"]}, "avatar", state)
    assert push.content["title"]
    assert Event.objects.get(type=f"avatar.{state}").subject == str(avatar_id)


def test_a_silent_push_has_data_only(acme: TenantCreated, alice: APIClient) -> None:
    AvatarPolicy.objects.create(tenant=acme.tenant, push="silent")
    upload(alice, APPROVED)
    work()
    push = Notification.objects.get()
    assert push.silent
    assert push.content.keys() == {"data"}


@pytest.mark.parametrize(
    ("texts", "title"),
    [
        ({"approved": {"title": "Oi!"}}, "Oi!"),
        ({"approved": {"title": 5, "body": "é" * 9000}}, "Your new picture is live"),
        ({"approved": "Oi!"}, "Your new picture is live"),
        ([], "Your new picture is live"),
        ({"approved": {"title": "😀" * 500, "body": "😀" * 500}}, "Your new picture is live"),
    ],
)
def test_a_tenants_own_texts_are_sent(acme: TenantCreated, alice: APIClient, texts: Any, title: str) -> None:
    AvatarPolicy.objects.create(tenant=acme.tenant, texts=texts)
    upload(alice, APPROVED)
    work()
    assert Notification.objects.get().content["title"] == title


def test_a_tenant_may_have_no_push(acme: TenantCreated, alice: APIClient) -> None:
    AvatarPolicy.objects.create(tenant=acme.tenant, push="off")
    upload(alice, APPROVED)
    work()
    assert not Notification.objects.exists()


def test_labels_are_shown_only_to_the_backend(alice: APIClient, backend: APIClient) -> None:
    avatar_id = upload(alice, REVIEWED)
    work()
    assert backend.get(f"/v1/avatars/{avatar_id}").json()["moderation"]["labels"][0]["Confidence"] == 60.0
    assert "moderation" not in alice.get(f"/v1/avatars/{avatar_id}").json()


def test_an_engine_that_is_down_never_approves(alice: APIClient) -> None:
    avatar_id = upload(alice, picture("cyan"))
    work()
    response = alice.get(f"/v1/avatars/{avatar_id}").json()
    assert (response["state"], response["reason"]["code"]) == ("moderating", "engine_unavailable")
    assert Avatar.objects.get(id=avatar_id).due_at is not None


@pytest.mark.parametrize(("choice", "state"), [("review", "in_review"), ("wait", "moderating")])
def test_the_policy_decides_what_follows_when_an_engine_stays_down(
    acme: TenantCreated, alice: APIClient, choice: str, state: str
) -> None:
    AvatarPolicy.objects.create(tenant=acme.tenant, engine_down=choice, engine_down_minutes=0)
    avatar_id = upload(alice, picture("cyan"))
    work()
    assert alice.get(f"/v1/avatars/{avatar_id}").json()["state"] == state


def test_a_picture_the_engine_refuses_goes_to_a_person(alice: APIClient) -> None:
    avatar_id = upload(alice, picture("black"))
    work()
    assert alice.get(f"/v1/avatars/{avatar_id}").json()["reason"]["code"] == "unjudged"


def test_thresholds_that_cannot_be_read_approve_nothing(acme: TenantCreated, alice: APIClient) -> None:
    AvatarPolicy.objects.create(tenant=acme.tenant, thresholds={"No Such Category": 5})
    avatar_id = upload(alice, APPROVED)
    work()
    assert alice.get(f"/v1/avatars/{avatar_id}").json()["state"] == "in_review"


def test_an_unavailable_store_makes_the_avatar_fail_until_it_is_redriven(
    acme: TenantCreated, alice: APIClient, monkeypatch: pytest.MonkeyPatch, store: LocalStorage
) -> None:
    avatar_id = upload(alice, APPROVED)
    with monkeypatch.context() as broken:
        broken.setattr(LocalStorage, "get", away)
        for _ in range(10):
            Avatar.objects.filter(id=avatar_id, due_at__isnull=False).update(due_at="2001-01-01T00:00Z")
            work()
    assert Avatar.objects.get(id=avatar_id).state == AvatarState.FAILED
    avatar_redrive(tenant=acme.tenant, avatar_id=avatar_id)
    work()
    assert Avatar.objects.get(id=avatar_id).state == AvatarState.APPROVED


def test_thumbnails_are_made_again_after_a_failed_publication(
    acme: TenantCreated, alice: APIClient, store: LocalStorage
) -> None:
    avatar_id = upload(alice, APPROVED)
    while Avatar.objects.get(id=avatar_id).step != WorkflowStep.PUBLISH:
        assert WORKFLOW.step()
    Avatar.objects.filter(id=avatar_id).update(lost_leases=MAX_LOST_LEASES + 1)
    work()
    sweep()
    assert (Avatar.objects.get(id=avatar_id).variants, public(store)) == ([], [])
    avatar_redrive(tenant=acme.tenant, avatar_id=avatar_id)
    work()
    sweep()
    assert len(alice.get("/v1/users/alice").json()["picture"]["variants"]) == len(public(store)) == 8


def away(*_: Any, **__: Any) -> bytes:
    raise StorageRetry("SlowDown")


def test_the_timeline_has_every_step(alice: APIClient) -> None:
    avatar_id = upload(alice, APPROVED)
    work()
    whats = TimelineEntry.objects.filter(avatar_id=avatar_id).order_by("id").values_list("what", flat=True)
    steps = ["normalise", "moderate", "decide", "thumbnails", "publish"]
    assert [what for what in whats if what in steps] == steps
    assert Moderation.objects.get(avatar_id=avatar_id).engine == "stub"


def test_urls_point_to_a_tenants_own_cdn(acme: TenantCreated, alice: APIClient) -> None:
    AvatarPolicy.objects.create(tenant=acme.tenant, cdn_base_url="https://cdn.acme.example")
    upload(alice, APPROVED)
    work()
    urls = [variant["url"] for variant in alice.get("/v1/users/alice").json()["picture"]["variants"]]
    assert all(url.startswith(f"https://cdn.acme.example/{acme.tenant.id}/") for url in urls)
