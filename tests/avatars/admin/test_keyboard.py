"""The review queue by keyboard, in a real Chromium."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, sync_playwright

from avatars.models import Avatar
from avatars.states import AvatarState

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

ARTIFACTS = Path(__file__).resolve().parents[3] / ".artifacts"


@pytest.fixture
def queue(
    moderated: Callable[..., UUID], live_server: Any, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Page]:
    """Two pictures wait, and an operator has opened the queue."""
    # Playwright's synchronous API runs a loop in this thread, in which Django would refuse the database.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    moderated(user="alice"), moderated(user="bob")
    with sync_playwright() as playwright:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=program, args=["--headless=new", "--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{live_server.url}/admin/login/?next=/admin/avatars/avatar/review/")
        page.fill("#id_username", "admin")
        page.fill("#id_password", "password")
        page.press("#id_password", "Enter")
        page.wait_for_selector("#review")
        yield page
        browser.close()


def states() -> list[str]:
    return list(Avatar.objects.order_by("id").values_list("state", flat=True))


def test_the_picture_is_shown_before_it_is_approved(queue: Page) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    queue.screenshot(path=ARTIFACTS / "review-queue-blurred.png")
    queue.keyboard.press("a")
    assert queue.is_checked("#reveal")
    assert states() == [AvatarState.IN_REVIEW] * 2
    queue.screenshot(path=ARTIFACTS / "review-queue-shown.png")
    queue.keyboard.press("a")
    queue.wait_for_selector("text=alice: approved")
    assert states() == [AvatarState.MODERATING, AvatarState.IN_REVIEW]


def test_three_keys_reject_with_a_reason(queue: Page) -> None:
    for key in ("r", "1", "Enter"):
        queue.keyboard.press(key)
    queue.wait_for_selector("text=alice: rejected")
    first = Avatar.objects.order_by("id")[0]
    assert (first.state, first.detail) == (AvatarState.REJECTED, "Please choose a picture without nudity.")


def test_next_leaves_it_undecided(queue: Page) -> None:
    queue.keyboard.press("n")
    queue.wait_for_selector("text=bob")
    assert states() == [AvatarState.IN_REVIEW] * 2
