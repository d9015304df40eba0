"""The review queue: who may see what, and what a decision changes."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from avatars.models import Avatar, AvatarPolicy, Decision
from avatars.moderation.policy import ModerationAction
from avatars.selectors import avatar_revision
from avatars.services import avatar_appeal, avatar_decide
from avatars.states import AvatarState, WorkflowStep
from events.models import Event
from notifications.models import Notification
from tests.avatars.admin.builders import member_of
from tests.avatars.core.builders import work

pytestmark = pytest.mark.django_db(transaction=True)

QUEUE = "/admin/avatars/avatar/review/"
Moderated = Callable[..., UUID]


def decide(
    client: Client, avatar_id: UUID, action: str, reason: str = "", query: str = "", seen: str | None = None
) -> Any:
    seen = avatar_revision(avatar=Avatar.objects.get(id=avatar_id)) if seen is None else seen
    wish = {"action": action, "reason": reason, "seen": seen}
    return client.post(f"/admin/avatars/avatar/{avatar_id}/decide/{query}", wish, follow=True)


def test_the_oldest_avatar_comes_first_blurred_with_its_labels(moderated: Moderated, admin_client: Client) -> None:
    first, _second = moderated(user="alice"), moderated(user="bob")
    page = admin_client.get(QUEUE).content.decode()
    assert f"/admin/avatars/avatar/{first}/picture/" in page
    assert "Non-Explicit Nudity" in page
    assert "<strong>2</strong> waiting" in page
    assert 'id="reveal"' in page
    assert "checked" not in page.split('id="reveal"')[1].split(">")[0]


def test_next_reaches_the_end_and_starts_again(moderated: Moderated, admin_client: Client) -> None:
    first, second = moderated(user="alice"), moderated(user="bob")
    assert f"{second}/picture/" in admin_client.get(QUEUE, {"after": str(first)}).content.decode()
    assert f"{first}/picture/" in admin_client.get(QUEUE, {"after": str(second)}).content.decode()


def test_a_tenants_queue_is_its_own(moderated: Moderated, admin_client: Client) -> None:
    moderated()
    assert "No picture waits" in admin_client.get(QUEUE, {"tenant": "globex"}).content.decode()
    assert "picture/" in admin_client.get(QUEUE, {"tenant": "acme"}).content.decode()


def test_an_approval_publishes_pushes_and_is_audited(
    moderated: Moderated, admin_client: Client, admin_user: User
) -> None:
    avatar_id = moderated()
    before = Notification.objects.count()
    page = decide(admin_client, avatar_id, "approve")
    work()
    avatar = Avatar.objects.get(id=avatar_id)
    assert avatar.user.picture is not None
    assert (avatar.state, avatar.user.picture["avatar_id"]) == (AvatarState.APPROVED, str(avatar_id))
    assert Notification.objects.count() == before + 1
    assert Event.objects.filter(type="avatar.approved", subject=str(avatar_id)).count() == 1
    entry = LogEntry.objects.get(object_id=str(avatar_id))
    assert (entry.user, entry.get_change_message()) == (admin_user, "approve")
    assert "No picture waits" in page.content.decode()


def test_a_rejection_records_its_reason_and_reviewer(
    moderated: Moderated, admin_client: Client, admin_user: User
) -> None:
    avatar_id = moderated()
    decide(admin_client, avatar_id, "reject", "Please choose another picture.")
    avatar, decision = Avatar.objects.get(id=avatar_id), Decision.objects.filter(avatar_id=avatar_id).last()
    assert (avatar.state, avatar.detail) == (AvatarState.REJECTED, "Please choose another picture.")
    assert decision is not None
    assert (decision.reviewer, decision.action) == (admin_user.username, "reject")
    assert LogEntry.objects.get().get_change_message() == "reject: Please choose another picture."


def test_a_rejection_without_a_reason_changes_nothing(moderated: Moderated, admin_client: Client) -> None:
    avatar_id = moderated()
    assert "needs a reason" in decide(admin_client, avatar_id, "reject", " ").content.decode()
    assert Avatar.objects.get(id=avatar_id).state == AvatarState.IN_REVIEW
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("action", ["review", "delete", ""])
def test_other_actions_are_refused(moderated: Moderated, admin_client: Client, action: str) -> None:
    avatar_id = moderated()
    decide(admin_client, avatar_id, action, "because")
    assert Avatar.objects.get(id=avatar_id).state == AvatarState.IN_REVIEW


def test_the_slower_of_two_reviewers_gets_a_warning(moderated: Moderated, admin_client: Client, acme: Any) -> None:
    avatar_id = moderated()
    avatar_decide(
        tenant=acme.tenant, avatar_id=avatar_id, action=ModerationAction.REJECT, reason="No.", reviewer="erin"
    )
    page = decide(admin_client, avatar_id, "reject", "Please choose another picture.")
    assert "does not take the decision reject" in page.content.decode()
    assert Avatar.objects.get(id=avatar_id).detail == "No."
    assert not LogEntry.objects.exists()


def test_a_slower_approval_does_not_overturn_a_rejection(moderated: Moderated, admin_client: Client, acme: Any) -> None:
    AvatarPolicy.objects.create(tenant=acme.tenant, appeal_days=7)
    avatar_id = moderated()
    [seen] = re.findall(r'name="seen" value="(.+?)"', admin_client.get(QUEUE).content.decode())
    avatar_decide(tenant=acme.tenant, avatar_id=avatar_id, action=ModerationAction.REJECT, reason="No.", reviewer="dan")
    page = decide(admin_client, avatar_id, "approve", seen=seen).content.decode()
    assert "has changed since the page was opened" in page
    assert "Its state is rejected now." in page
    assert Avatar.objects.get(id=avatar_id).state == AvatarState.REJECTED


def test_a_decision_without_a_revision_changes_nothing(moderated: Moderated, admin_client: Client) -> None:
    avatar_id = moderated()
    assert "Open the page again" in decide(admin_client, avatar_id, "approve", seen="").content.decode()
    assert Avatar.objects.get(id=avatar_id).state == AvatarState.IN_REVIEW


def test_an_appeal_returns_to_the_queue_with_its_decisions(
    moderated: Moderated, admin_client: Client, acme: Any
) -> None:
    AvatarPolicy.objects.create(tenant=acme.tenant, appeal_days=7)
    avatar_id = moderated("red")
    avatar_appeal(tenant=acme.tenant, avatar_id=avatar_id)
    page = admin_client.get(QUEUE).content.decode()
    assert "Appeal" in page
    assert "policy: reject: Explicit Nudity 99.0" in page
    decide(admin_client, avatar_id, "approve")
    work()
    assert Avatar.objects.get(id=avatar_id).state == AvatarState.APPROVED


def test_the_picture_is_served_privately(moderated: Moderated, admin_client: Client) -> None:
    response = admin_client.get(f"/admin/avatars/avatar/{moderated()}/picture/")
    assert (response["Content-Type"], response["X-Content-Type-Options"]) == ("image/jpeg", "nosniff")
    assert {"private", "no-store"} <= set(response["Cache-Control"].split(", "))
    assert response.content.startswith(b"\xff\xd8\xff")


def test_a_picture_that_is_not_kept_is_not_found(moderated: Moderated, admin_client: Client) -> None:
    avatar_id = moderated()
    Avatar.objects.filter(id=avatar_id).update(master_key="")
    assert admin_client.get(f"/admin/avatars/avatar/{avatar_id}/picture/").status_code == 404
    assert admin_client.get(f"/admin/avatars/avatar/{uuid4()}/picture/").status_code == 404


def test_viewers_may_not_look_at_pictures(moderated: Moderated, client: Client) -> None:
    avatar_id = moderated()
    viewer = member_of("viewer", client)
    for page in (QUEUE, f"/admin/avatars/avatar/{avatar_id}/picture/", f"/admin/avatars/avatar/{avatar_id}/review/"):
        assert viewer.get(page).status_code == 403
    assert decide(viewer, avatar_id, "approve").status_code == 403


def test_anonymous_visitors_are_sent_to_the_login(moderated: Moderated, client: Client) -> None:
    response = client.get(f"/admin/avatars/avatar/{moderated()}/picture/")
    assert (response.status_code, "login" in response["Location"]) == (302, True)


def test_decisions_are_not_made_by_get(moderated: Moderated, admin_client: Client) -> None:
    assert admin_client.get(f"/admin/avatars/avatar/{moderated()}/decide/").status_code == 405


def test_list_and_row_open(moderated: Moderated, admin_client: Client) -> None:
    avatar_id = moderated()
    listed = admin_client.get("/admin/avatars/avatar/", {"q": "alice"}).content.decode()
    assert str(avatar_id) in listed
    assert QUEUE in listed
    page = admin_client.get(f"/admin/avatars/avatar/{avatar_id}/change/").content.decode()
    assert "Non-Explicit Nudity 60.0" in page
    assert "policy: review" in page


def test_the_list_names_the_user(moderated: Moderated, admin_client: Client) -> None:
    moderated(user="alice")
    assert 'class="field-user' in admin_client.get("/admin/avatars/avatar/").content.decode()


@pytest.mark.parametrize(("days", "offered"), [(0, False), (7, True)])
def test_only_kept_pictures_can_be_reviewed(
    moderated: Moderated, admin_client: Client, acme: Any, days: int, offered: bool
) -> None:
    AvatarPolicy.objects.create(tenant=acme.tenant, appeal_days=days)
    avatar_id = moderated("red")
    assert (">Review<" in admin_client.get("/admin/avatars/avatar/").content.decode()) == offered
    page = admin_client.get(f"/admin/avatars/avatar/{avatar_id}/review/").content.decode()
    assert ("Approve</button>" in page) == (f"{avatar_id}/picture/" in page) == offered
    assert ("no longer kept" in page) != offered


def test_a_failed_avatar_is_redriven(moderated: Moderated, admin_client: Client) -> None:
    failed, approved = moderated("lime"), moderated("lime", user="bob")
    Avatar.objects.filter(id=failed).update(state=AvatarState.FAILED, step=WorkflowStep.THUMBNAILS)
    wish = {"action": "redrive", "_selected_action": [str(failed), str(approved)]}
    page = admin_client.post("/admin/avatars/avatar/", wish, follow=True).content.decode()
    assert f"{failed}: is tried again" in page
    assert f"{approved}: Only a failed avatar can be redriven." in page
    assert Avatar.objects.get(id=failed).state == AvatarState.MODERATING


def test_viewers_cannot_redrive(moderated: Moderated, client: Client) -> None:
    avatar_id = moderated("lime")
    Avatar.objects.filter(id=avatar_id).update(state=AvatarState.FAILED, step=WorkflowStep.THUMBNAILS)
    wish = {"action": "redrive", "_selected_action": [str(avatar_id)]}
    member_of("viewer", client).post("/admin/avatars/avatar/", wish)
    assert Avatar.objects.get(id=avatar_id).state == AvatarState.FAILED


def test_pages_need_no_inline_script_or_style(moderated: Moderated, admin_client: Client) -> None:
    moderated()
    page = admin_client.get(QUEUE).content.decode()
    own = page.split('id="review"')[1].split("</details>")[0]
    assert "style=" not in own
    assert "onclick" not in own
    assert "<script" not in own
