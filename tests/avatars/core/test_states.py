"""The table of transitions is complete: the database has the same states, and every other change is refused."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from avatars.models import Avatar
from avatars.services.transitions import avatar_move
from avatars.states import TRANSITIONS, AvatarState, can_follow
from avatars.workflow.retry import End, StepFailure, Wait, next_attempt
from pushhub.kernel.errors import ApiError
from tests.avatars.core.builders import picture, upload


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(AvatarState)


def test_nothing_follows_deletion_and_everything_may_be_deleted() -> None:
    assert not TRANSITIONS[AvatarState.DELETED]
    assert all(can_follow(state, AvatarState.DELETED) for state in AvatarState if state != AvatarState.DELETED)


def test_only_the_workflow_approves() -> None:
    assert [state for state in AvatarState if can_follow(state, AvatarState.APPROVED)] == [AvatarState.MODERATING]


@pytest.mark.django_db
def test_the_database_knows_the_same_states(alice: APIClient) -> None:
    avatar_id = upload(alice, picture())
    with pytest.raises(IntegrityError), transaction.atomic():
        Avatar.objects.filter(id=avatar_id).update(state="published")
    for state in AvatarState:
        Avatar.objects.filter(id=avatar_id).update(state=state)


@pytest.mark.django_db
def test_a_change_that_the_table_does_not_list_is_refused(alice: APIClient) -> None:
    avatar = Avatar.objects.get(id=upload(alice, picture()))
    with pytest.raises(ApiError):
        avatar_move(avatar=avatar, state=AvatarState.APPROVED)


def attempt(failure: StepFailure, number: int, failing: float = 0.0, review_after: float | None = 60.0) -> Wait | End:
    return next_attempt(
        failure,
        attempt=number,
        failing_seconds=failing,
        review_after_seconds=review_after,
        retry_after=2.0,
        random=lambda: 1.0,
    )


@pytest.mark.parametrize(("number", "seconds"), [(1, 4.0), (3, 10.0), (7, 130.0)])
def test_waits_double_and_never_undercut_retry_after(number: int, seconds: float) -> None:
    assert attempt(StepFailure.STEP, number) == Wait(seconds)


def test_steps_fail_after_some_attempts_and_engines_do_not() -> None:
    assert attempt(StepFailure.STEP, 8) is End.FAIL
    assert attempt(StepFailure.UPLOAD, 4) is End.FAIL
    assert attempt(StepFailure.ENGINE, 10_000, review_after=None) == Wait(62.0)


def test_an_engine_that_is_down_for_too_long_leaves_it_to_a_person() -> None:
    assert attempt(StepFailure.ENGINE, 1, failing=59.0) == Wait(4.0)
    assert attempt(StepFailure.ENGINE, 1, failing=60.0) is End.REVIEW
