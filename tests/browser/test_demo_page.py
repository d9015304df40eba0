"""The demo page, and with it the JavaScript client and the service worker that tenants copy."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from sandbox.testing import SandboxClient
from tests.browser.client import DemoPage, ServiceWorker, push_manager_fake, wait_for
from tests.browser.conftest import Api

pytestmark = pytest.mark.browser


@pytest.fixture
def demo(page: Page, sandbox: SandboxClient) -> DemoPage:
    return DemoPage(page, sandbox)


@pytest.fixture
def worker(demo: DemoPage) -> ServiceWorker:
    return ServiceWorker(demo.page)


@pytest.fixture
def alices(demo: DemoPage, worker: ServiceWorker) -> dict[str, Any]:
    """This browser is alice's, and the push service holds a message for it: its payload."""
    demo.simulate("alice")
    demo.send()
    demo.expect_state("accepted")
    return demo.caught("alice")


def test_a_push_to_a_simulated_browser_is_accepted(
    demo: DemoPage, alices: dict[str, Any], screenshot: Callable[[str], None]
) -> None:
    assert alices["notification"]["title"] == "Hello from pushhub"
    screenshot("demo")


def test_the_page_in_the_dark(demo: DemoPage, screenshot: Callable[[str], None]) -> None:
    demo.page.emulate_media(color_scheme="dark")
    demo.simulate("alice")
    demo.send()
    demo.expect_state("accepted")
    screenshot("demo-dark")


def test_what_arrives_is_shown_and_becomes_delivered(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any]
) -> None:
    worker.deliver(alices)
    assert worker.shown() == ["Hello from pushhub"]
    assert worker.calls() == ["/v1/receipts"]
    demo.expect_state("delivered")
    expect(demo.page.locator("#status")).to_have_text("Received: Hello from pushhub")


def test_a_click_opens_the_address_and_says_so(demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any]) -> None:
    worker.deliver(alices)
    assert worker.click() == [alices["notification"]["navigate"]]
    demo.expect_state("opened")
    assert worker.shown() == []


def test_a_buttons_own_address_opens(worker: ServiceWorker, alices: dict[str, Any]) -> None:
    action = {"action": "yes", "title": "It was me", "navigate": "https://example.com/yes"}
    alices["notification"]["actions"] = [action]
    worker.deliver(alices)
    assert worker.click("yes") == ["https://example.com/yes"]


def test_a_message_for_another_mapping_is_dropped(worker: ServiceWorker, alices: dict[str, Any]) -> None:
    alices["pushhub"]["mapping"] = "11111111-1111-4111-8111-111111111111"
    worker.deliver(alices)
    assert worker.shown() == worker.calls() == []


def test_a_message_for_the_user_before_is_dropped(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any]
) -> None:
    demo.simulate("bob")
    worker.deliver(alices)
    assert worker.shown() == worker.calls() == []


def test_signing_out_drops_what_comes_later(demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any]) -> None:
    demo.sign_out()
    worker.deliver(alices)
    assert worker.shown() == worker.calls() == []


@pytest.mark.parametrize("foreign", ["not JSON", "[]", '{"pushhub": {}}', '{"notification": {"title": "x"}}'])
def test_what_is_not_ours_is_dropped(worker: ServiceWorker, alices: dict[str, Any], foreign: str) -> None:
    worker.deliver(foreign)
    assert worker.shown() == worker.calls() == []


def test_a_silent_message_is_handed_to_the_page_and_shown_to_nobody(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any]
) -> None:
    worker.deliver({"notification": {"data": {"refresh": True}}, "pushhub": alices["pushhub"]})
    assert worker.shown() == []
    expect(demo.page.locator("#status")).to_have_text("Received: a silent message")


def test_signing_out_needs_no_session(demo: DemoPage, alices: dict[str, Any], api: Api) -> None:
    demo.page.route("**/demo/token", lambda route: route.abort())
    demo.sign_out()
    assert api("GET", f"/v1/devices/{demo.store()['deviceId']}")["user_id"] is None


def test_the_worker_registers_a_new_subscription_by_itself(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any], sandbox: SandboxClient
) -> None:
    (fresh,) = sandbox.mint_web(user="renewed")
    worker.subscription_changed(fresh)
    demo.send()
    demo.expect_state("accepted")
    assert demo.caught("renewed")["pushhub"]["mapping"] == demo.store()["mappingId"]


def test_a_subscription_taken_away_is_made_anew(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any], sandbox: SandboxClient
) -> None:
    worker.can_subscribe(sandbox.mint_web(user="renewed")[0])
    worker.subscription_changed(None)
    key = demo.store()["applicationServerKey"]
    assert worker.worker.evaluate("subscribedWith") == {"userVisibleOnly": True, "applicationServerKey": key}
    demo.send()
    demo.expect_state("accepted")
    assert demo.caught("renewed")["notification"]["title"] == "Hello from pushhub"


@pytest.mark.parametrize("status", [0, 429, 503])
def test_a_renewal_that_fails_is_tried_again(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any], sandbox: SandboxClient, status: int
) -> None:
    worker.answers_fail(2, status)
    worker.subscription_changed(sandbox.mint_web(user="renewed")[0])
    demo.send()
    demo.expect_state("accepted")
    assert demo.caught("renewed")
    assert demo.store().get("renewal") is None


def test_a_renewal_that_fails_for_long_is_made_up_for_at_the_next_push(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any], sandbox: SandboxClient
) -> None:
    worker.answers_fail(4, 503)
    (fresh,) = sandbox.mint_web(user="renewed")
    worker.subscription_changed(fresh)
    assert demo.store()["renewal"]["subscription"] == fresh
    worker.deliver(alices)
    wait_for(demo.page, lambda: demo.store().get("renewal") is None)
    demo.send()
    demo.expect_state("accepted")
    assert demo.caught("renewed")


def test_a_renewal_that_is_refused_is_given_up(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any], sandbox: SandboxClient, api: Api
) -> None:
    api("DELETE", f"/v1/devices/{demo.store()['deviceId']}")
    worker.subscription_changed(sandbox.mint_web()[0])
    assert demo.store().get("renewal") is None


def test_a_renewal_learns_of_a_new_mapping(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any], sandbox: SandboxClient, api: Api
) -> None:
    before = demo.store()
    api("PATCH", f"/v1/devices/{before['deviceId']}", {"user_id": "bob"})
    worker.subscription_changed(sandbox.mint_web(user="renewed")[0])
    demo.page.select_option("#user", "bob")
    demo.send()
    demo.expect_state("accepted")
    assert before["mappingId"] != demo.store()["mappingId"] == demo.caught("renewed")["pushhub"]["mapping"]


def test_a_renewal_signs_nobody_in(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any], sandbox: SandboxClient
) -> None:
    demo.page.evaluate("pushhubStore.read().then((known) => pushhubStore.write({ ...known, mappingId: null }))")
    worker.subscription_changed(sandbox.mint_web()[0])
    assert demo.store()["mappingId"] is None


def test_signing_out_takes_down_what_is_shown(demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any]) -> None:
    worker.deliver(alices)
    demo.page.evaluate('navigator.serviceWorker.ready.then((worker) => worker.showNotification("The site\'s own"))')
    demo.sign_out()
    assert worker.shown() == ["The site's own"]


def test_the_next_user_does_not_see_what_was_shown_before(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any]
) -> None:
    worker.deliver(alices)
    demo.simulate("alice")
    assert worker.shown() == ["Hello from pushhub"]
    demo.simulate("bob")
    assert worker.shown() == []


def test_a_page_that_opens_again_keeps_its_device(demo: DemoPage, alices: dict[str, Any]) -> None:
    before = demo.store()
    demo.page.reload()
    demo.simulate("alice")
    assert demo.store() == before


def test_the_client_leaves_the_pages_own_names_alone(demo: DemoPage) -> None:
    assert "native code" in demo.page.evaluate("String(window.open)")


@pytest.fixture
def subscriber(page: Page, sandbox: SandboxClient) -> Page:
    """The page of a browser that can subscribe, and sees each rotation at once: the key's answer is cacheable."""
    push_manager_fake(page, sandbox.url)
    page.route("**/v1/webpush/config", lambda route: route.continue_())  # routing switches the browser's cache off
    page.goto("/demo/")
    return page


def subscribe(page: Page) -> list[str]:
    """Press the button; what the page asked of the push manager."""
    page.evaluate("() => { document.querySelector('#status').textContent = ''; fakePush.log = []; }")
    page.click("#subscribe")
    expect(page.locator("#status")).to_contain_text("This browser is alice's now")
    log: list[str] = page.evaluate("fakePush.log")
    return log


def vapid_rotate(api: Api) -> str:
    """The key that browsers are offered from now on."""
    key: str = api("POST", "/v1/apps/web:rotate", {})["application_server_key"]
    return key


def test_a_rotated_key_is_taken_at_the_next_registration(subscriber: Page, api: Api) -> None:
    before = subscribe(subscriber)
    key = vapid_rotate(api)
    assert before != [f"subscribe {key}"]
    assert subscribe(subscriber) == ["unsubscribe", f"subscribe {key}"]


def test_the_same_key_keeps_the_subscription(subscriber: Page) -> None:
    subscribe(subscriber)
    assert "unsubscribe" not in subscribe(subscriber)


def test_a_push_reaches_the_subscription_of_either_key(
    subscriber: Page, sandbox: SandboxClient, api: Api, demo: DemoPage
) -> None:
    subscribe(subscriber)
    vapid_rotate(api)
    for count in (1, 2):
        demo.send()
        demo.expect_state("accepted")
        assert len(sandbox.messages(user="faked")) == count
        subscribe(subscriber)
