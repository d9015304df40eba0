"""Damaged pictures from a fixed seed in the real workflow: each ends with a reason that helps the person.

100 pictures here; `make siege-tests` sends 1,000. A report of each is written to .artifacts/.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from typing_extensions import override

from avatars.imaging.helper import PICTURES_PER_PROCESS
from avatars.imaging.normalise import image_normalise, process_helper
from avatars.models import Avatar, AvatarPolicy
from avatars.services.uploads import avatar_complete, avatar_create
from avatars.storage.local import LocalStorage
from avatars.workflow.saga import WORKFLOW
from tenants.models import Tenant
from tenants.services import TenantCreated
from tests.avatars.imaging.builders import FORMATS, encoded, opened
from tests.avatars.imaging.mutations import MOST_KILOBYTES, MUTATIONS

pytestmark = pytest.mark.django_db(transaction=True)

ARTIFACTS = Path(__file__).resolve().parents[3] / ".artifacts"
SEED = 11_23
STEPS = 8  # of one picture, at most


def originals() -> list[bytes]:
    """Green pictures: the tests' engine approves every one that is decoded."""
    return [encoded(format, Image.new("RGB", (96, 90), "lime")) for format in FORMATS]


def uploaded(tenant: Tenant, store: LocalStorage, number: int, data: bytes) -> None:
    avatar = avatar_create(tenant=tenant, user_id=f"user-{number}", content_type="image/png").avatar
    store.put(avatar.upload_key, data, content_type=avatar.content_type)
    avatar_complete(tenant=tenant, avatar_id=avatar.id)


@dataclass
class Account:
    """The results of the pictures. `grown_kb`: how much the largest sizes of the worker and the decoder have grown."""

    avatars: list[Avatar]
    sent: dict[str, bytes]
    decoders: int
    grown_kb: int

    @override
    def __str__(self) -> str:
        ends = Counter((avatar.state, avatar.reason) for avatar in self.avatars)
        lines = [f"{count:5} {state} {reason}" for (state, reason), count in ends.most_common()]
        return "\n".join([*lines, f"{self.decoders} decoder(s); {self.grown_kb} kB at most over the start"])


@pytest.fixture(params=[100, pytest.param(1_000, marks=pytest.mark.siege)])
def account(request: pytest.FixtureRequest, acme: TenantCreated, store: LocalStorage) -> Account:
    AvatarPolicy.objects.create(tenant=acme.tenant, sizes=[64], push=AvatarPolicy.PushMode.OFF)
    dice, pictures, sent = random.Random(SEED), originals(), {}
    for number in range(request.param):
        mutation = MUTATIONS[number % len(MUTATIONS)]
        data = bytes(mutation(dice, bytearray(dice.choice(pictures)), dice.choice(pictures)))
        uploaded(acme.tenant, store, number, data)
        sent[f"user-{number}"] = data
    image_normalise(pictures[0])
    decoders, steps, peak = {process_helper().pid}, 0, (start := memory_kb())
    while WORKFLOW.step():
        steps, decoders, peak = steps + 1, decoders | {process_helper().pid}, max(peak, memory_kb())
        assert steps < request.param * STEPS, "the workflow does not end"
    avatars = list(Avatar.objects.select_related("user"))
    account = Account(avatars, sent, len(decoders), peak - start)
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / f"fuzz-{request.param}.txt").write_text(f"{account}\n")
    return account


def memory_kb() -> int:
    """The largest sizes so far of this process and its decoder."""
    return sum(peak_kb(pid) for pid in (os.getpid(), process_helper().pid) if pid)


def peak_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def test_every_damaged_picture_is_approved_or_refused_with_a_reason(account: Account, store: LocalStorage) -> None:
    approved = [avatar for avatar in account.avatars if avatar.state == "approved"]
    others = [avatar for avatar in account.avatars if avatar.state != "approved"]
    assert len(account.avatars) == len(account.sent)
    assert {avatar.state for avatar in others} <= {"rejected", "in_review"}
    assert all(avatar.reason and avatar.detail for avatar in others)
    assert min(len(approved), len(others)) >= len(account.sent) // 25
    for avatar in approved:
        # Pillow refuses to load a file that ends early: an approved picture can be decoded completely.
        opened(account.sent[avatar.user.user_id]).load()
        master = opened(store.get(avatar.master_key, max_bytes=5_000_000))
        assert master.size == (avatar.width, avatar.height)
    # A decoder serves 500 pictures: each additional process means that a picture killed one.
    assert account.decoders <= 2 + len(account.sent) // PICTURES_PER_PROCESS
    assert account.grown_kb < MOST_KILOBYTES
