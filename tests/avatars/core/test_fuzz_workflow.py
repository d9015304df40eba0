"""Damaged pictures from a fixed seed through the real workflow: each ends with a reason a person can act on.

100 of them here; `make siege-tests` sends 1,000.
"""

from __future__ import annotations

import random

import pytest
from PIL import Image

from avatars.models import Avatar, AvatarPolicy
from avatars.services.uploads import avatar_complete, avatar_create
from avatars.storage.local import LocalStorage
from avatars.workflow import workflow_step
from tenants.models import Tenant
from tenants.services import TenantCreated
from tests.avatars.imaging.pictures import FORMATS, encoded, opened
from tests.avatars.imaging.test_fuzz import MUTATIONS

pytestmark = pytest.mark.django_db(transaction=True)

SEED = 11_23
STEPS = 8  # at most, of one picture


def originals() -> list[bytes]:
    """Green: the engine of the tests approves whatever is decoded."""
    return [encoded(format, Image.new("RGB", (96, 90), "lime")) for format in FORMATS]


def uploaded(tenant: Tenant, store: LocalStorage, number: int, data: bytes) -> None:
    avatar = avatar_create(tenant=tenant, user_id=f"user-{number}", content_type="image/png").avatar
    store.put(avatar.upload_key, data, content_type=avatar.content_type)
    avatar_complete(tenant=tenant, avatar_id=avatar.id)


@pytest.fixture(params=[100, pytest.param(1_000, marks=pytest.mark.siege)])
def judged(request: pytest.FixtureRequest, acme: TenantCreated, store: LocalStorage) -> list[Avatar]:
    AvatarPolicy.objects.create(tenant=acme.tenant, sizes=[64], push=AvatarPolicy.Push.OFF)
    dice, pictures = random.Random(SEED), originals()
    for number in range(request.param):
        mutation = MUTATIONS[number % len(MUTATIONS)]
        data = bytes(mutation(dice, bytearray(dice.choice(pictures)), dice.choice(pictures)))
        uploaded(acme.tenant, store, number, data)
    steps = 0
    while workflow_step():
        steps += 1
        assert steps < request.param * STEPS, "the workflow does not end"
    judged = list(Avatar.objects.all())
    assert len(judged) == request.param
    return judged


def test_every_damaged_picture_ends_approved_or_refused_with_a_reason(
    judged: list[Avatar], store: LocalStorage
) -> None:
    approved = [avatar for avatar in judged if avatar.state == "approved"]
    others = [avatar for avatar in judged if avatar.state != "approved"]
    assert {avatar.state for avatar in others} <= {"rejected", "in_review"}
    assert all(avatar.reason and avatar.detail for avatar in others)
    assert min(len(approved), len(others)) >= len(judged) // 25
    for avatar in approved:
        master = opened(store.get(avatar.master_key, max_bytes=5_000_000))
        assert master.size == (avatar.width, avatar.height)
