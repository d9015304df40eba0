"""A changed policy is applied to stored labels."""

from collections.abc import Callable
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from avatars.models import Avatar, AvatarPolicy, Decision, Moderation
from avatars.moderation.policy import ModerationAction
from avatars.moderation.stub import StubEngine
from avatars.services import avatar_appeal, avatar_decide
from avatars.services.reevaluation import avatars_reevaluated, reevaluation_apply
from avatars.states import AvatarState
from tenants.services import TenantCreated
from tests.avatars.core.builders import work

pytestmark = pytest.mark.django_db(transaction=True)

Moderated = Callable[..., UUID]


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("avatars_reevaluate", *arguments, stdout=out, stderr=StringIO())
    work()
    return out.getvalue()


def policy(acme: TenantCreated, **thresholds: Any) -> None:
    wish = {"thresholds": thresholds, "appeal_days": 7}
    AvatarPolicy.objects.update_or_create(tenant=acme.tenant, defaults=wish)


def state_of(avatar_id: UUID) -> str:
    return Avatar.objects.get(id=avatar_id).state


NUDITY = "Non-Explicit Nudity"


@pytest.mark.parametrize(
    ("colour", "thresholds", "state"),
    [
        ("blue", {"Alcohol": {"review": 60}}, AvatarState.IN_REVIEW),
        ("blue", {"Alcohol": {"reject": 60}}, AvatarState.REJECTED),
        ("yellow", {NUDITY: {}}, AvatarState.APPROVED),
        ("yellow", {NUDITY: {"reject": 60}}, AvatarState.REJECTED),
        ("red", {"Explicit": {"review": 60}}, AvatarState.IN_REVIEW),
        ("red", {"Explicit": {}}, AvatarState.APPROVED),
        ("green", {"Alcohol": {"reject": 20}}, AvatarState.APPROVED),
    ],
)
def test_every_action_can_become_another(
    moderated: Moderated, acme: TenantCreated, colour: str, thresholds: dict[str, Any], state: str
) -> None:
    policy(acme)
    avatar_id = moderated("lime" if colour == "green" else colour)
    policy(acme, **thresholds)
    run()
    assert state_of(avatar_id) == state


def test_no_engine_is_asked(moderated: Moderated, acme: TenantCreated, monkeypatch: pytest.MonkeyPatch) -> None:
    avatar_id = moderated("blue")
    policy(acme, Alcohol={"reject": 60})
    monkeypatch.delattr(StubEngine, "moderate")
    run()
    assert state_of(avatar_id) == AvatarState.REJECTED
    assert Moderation.objects.count() == 1


def test_a_dry_run_reports_and_changes_nothing(moderated: Moderated, acme: TenantCreated) -> None:
    avatar_id = moderated("blue")
    policy(acme, Alcohol={"review": 60})
    output = run("--dry-run")
    assert f"acme {avatar_id} approved → review (review: Drinking 93.0 ≥ 60, a kind of Alcohol): would change" in output
    assert "1 checked, 1 would change" in output
    assert state_of(avatar_id) == AvatarState.APPROVED
    assert Decision.objects.count() == 1


def test_the_second_run_changes_nothing(moderated: Moderated, acme: TenantCreated) -> None:
    moderated("blue")
    policy(acme, Alcohol={"review": 60})
    assert "1 checked, 1 differ" in run()
    assert "1 checked, 0 differ" in run()


def test_another_policy_can_reverse_it(moderated: Moderated, acme: TenantCreated) -> None:
    avatar_id = moderated("blue")
    policy(acme, Alcohol={"reject": 60})
    run()
    policy(acme)
    run()
    assert state_of(avatar_id) == AvatarState.APPROVED


def test_a_persons_decision_stays(moderated: Moderated, acme: TenantCreated) -> None:
    avatar_id = moderated("yellow")
    avatar_decide(tenant=acme.tenant, avatar_id=avatar_id, action=ModerationAction.APPROVE, reason="", reviewer="carol")
    work()
    policy(acme, **{NUDITY: {"reject": 60}})
    assert "0 checked" in run()
    assert state_of(avatar_id) == AvatarState.APPROVED


def test_an_appeal_waits_for_a_person(moderated: Moderated, acme: TenantCreated) -> None:
    policy(acme)
    avatar_id = moderated("red")
    avatar_appeal(tenant=acme.tenant, avatar_id=avatar_id)
    assert "0 checked" in run()
    assert state_of(avatar_id) == AvatarState.IN_REVIEW


def test_an_avatar_without_a_picture_is_left_as_it_is(moderated: Moderated, acme: TenantCreated) -> None:
    avatar_id = moderated("red")
    AvatarPolicy.objects.create(tenant=acme.tenant, thresholds={"Explicit": {}})
    Avatar.objects.filter(id=avatar_id).update(master_key="")
    assert "not changed: The picture is no longer kept" in run()
    assert state_of(avatar_id) == AvatarState.REJECTED


def test_another_tenant_is_left_alone(moderated: Moderated, acme: TenantCreated, globex: TenantCreated) -> None:
    avatar_id = moderated("blue")
    policy(acme, Alcohol={"reject": 60})
    assert "0 checked" in run("--tenant", "globex")
    assert state_of(avatar_id) == AvatarState.APPROVED


def test_an_unknown_tenant_gives_a_one_line_error() -> None:
    with pytest.raises(CommandError, match="no tenant initech"):
        run("--tenant", "initech")


def test_a_decision_made_since_wins(moderated: Moderated, acme: TenantCreated) -> None:
    avatar_id = moderated("yellow")
    policy(acme, **{NUDITY: {"reject": 60}})
    (reevaluation,) = avatars_reevaluated(tenant=acme.tenant)
    avatar_decide(tenant=acme.tenant, avatar_id=avatar_id, action=ModerationAction.APPROVE, reason="", reviewer="carol")
    work()
    assert reevaluation_apply(tenant=acme.tenant, reevaluation=reevaluation) is False
    assert state_of(avatar_id) == AvatarState.APPROVED
