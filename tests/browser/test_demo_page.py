"""The demo page, with the JavaScript client and the service worker that tenants copy."""

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
    """Registers this browser for alice and sends a message, which is still at the push service. Returns its payload."""
    demo.simulate("alice")
    demo.send()
    demo.expect_state("accepted")
    return demo.newest_payload("alice")


def test_a_push_to_a_simulated_browser_is_accepted(
    demo: DemoPage, alices: dict[str, Any], screenshot: Callable[[str], None]
) -> None:
    assert alices["notification"]["title"] == "Hello from pushhub"
    screenshot("demo")


def test_the_page_in_dark_mode(demo: DemoPage, screenshot: Callable[[str], None]) -> None:
    demo.page.emulate_media(color_scheme="dark")
    demo.simulate("alice")
    demo.send()
    demo.expect_state("accepted")
    screenshot("demo-dark")


def test_a_received_message_is_shown_and_becomes_delivered(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any]
) -> None:
    worker.deliver(alices)
    assert worker.shown() == ["Hello from pushhub"]
    assert worker.calls() == ["/v1/receipts"]
    demo.expect_state("delivered")
    expect(demo.page.locator("#status")).to_have_text("Received: Hello from pushhub")


def test_a_click_opens_the_address_and_is_reported(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any]
) -> None:
    worker.deliver(alices)
    assert worker.click() == [alices["notification"]["navigate"]]
    demo.expect_state("opened")
    assert worker.shown() == []


def test_a_click_on_a_button_opens_the_buttons_address(worker: ServiceWorker, alices: dict[str, Any]) -> None:
    action = {"action": "yes", "title": "It was me", "navigate": "https://example.com/yes"}
    alices["notification"]["actions"] = [action]
    worker.deliver(alices)
    assert worker.click("yes") == ["https://example.com/yes"]


def test_a_message_for_another_mapping_is_dropped(worker: ServiceWorker, alices: dict[str, Any]) -> None:
    alices["pushhub"]["mapping"] = "11111111-1111-4111-8111-111111111111"
    worker.deliver(alices)
    assert worker.shown() == worker.calls() == []


def test_a_message_for_the_previous_user_is_dropped(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any]
) -> None:
    demo.simulate("bob")
    worker.deliver(alices)
    assert worker.shown() == worker.calls() == []


def test_a_message_after_signing_out_is_dropped(demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any]) -> None:
    demo.sign_out()
    worker.deliver(alices)
    assert worker.shown() == worker.calls() == []


@pytest.mark.parametrize("foreign", ["not JSON", "[]", '{"pushhub": {}}', '{"notification": {"title": "x"}}'])
def test_a_message_that_is_not_from_pushhub_is_dropped(
    worker: ServiceWorker, alices: dict[str, Any], foreign: str
) -> None:
    worker.deliver(foreign)
    assert worker.shown() == worker.calls() == []


def test_a_silent_message_is_passed_to_the_page_and_not_shown(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any]
) -> None:
    worker.deliver({"notification": {"data": {"refresh": True}}, "pushhub": alices["pushhub"]})
    assert worker.shown() == []
    expect(demo.page.locator("#status")).to_have_text("Received: a silent message")


def test_signing_out_needs_no_session(demo: DemoPage, alices: dict[str, Any], api: Api) -> None:
    demo.page.route("**/demo/token", lambda route: route.abort())
    demo.sign_out()
    assert api("GET", f"/v1/devices/{demo.store()['deviceId']}")["user_id"] is None


def test_the_worker_registers_a_new_subscription(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any], sandbox: SandboxClient
) -> None:
    (fresh,) = sandbox.mint_web(user="renewed")
    worker.subscription_changed(fresh)
    demo.send()
    demo.expect_state("accepted")
    assert demo.newest_payload("renewed")["pushhub"]["mapping"] == demo.store()["mappingId"]


def test_the_worker_replaces_a_removed_subscription(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any], sandbox: SandboxClient
) -> None:
    worker.can_subscribe(sandbox.mint_web(user="renewed")[0])
    worker.subscription_changed(None)
    key = demo.store()["applicationServerKey"]
    assert worker.worker.evaluate("subscribedWith") == {"userVisibleOnly": True, "applicationServerKey": key}
    demo.send()
    demo.expect_state("accepted")
    assert demo.newest_payload("renewed")["notification"]["title"] == "Hello from pushhub"


@pytest.mark.parametrize("status", [0, 429, 503])
def test_a_failed_renewal_is_retried(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any], sandbox: SandboxClient, status: int
) -> None:
    worker.requests_fail(2, status)
    worker.subscription_changed(sandbox.mint_web(user="renewed")[0])
    demo.send()
    demo.expect_state("accepted")
    assert demo.newest_payload("renewed")
    assert demo.store().get("renewal") is None


def test_a_renewal_that_keeps_failing_is_retried_at_the_next_push(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any], sandbox: SandboxClient
) -> None:
    worker.requests_fail(4, 503)
    (fresh,) = sandbox.mint_web(user="renewed")
    worker.subscription_changed(fresh)
    assert demo.store()["renewal"]["subscription"] == fresh
    worker.deliver(alices)
    wait_for(demo.page, lambda: demo.store().get("renewal") is None)
    demo.send()
    demo.expect_state("accepted")
    assert demo.newest_payload("renewed")


def test_a_refused_renewal_is_not_retried(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any], sandbox: SandboxClient, api: Api
) -> None:
    api("DELETE", f"/v1/devices/{demo.store()['deviceId']}")
    worker.subscription_changed(sandbox.mint_web()[0])
    assert demo.store().get("renewal") is None


def test_a_renewal_stores_a_new_mapping(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any], sandbox: SandboxClient, api: Api
) -> None:
    before = demo.store()
    api("PATCH", f"/v1/devices/{before['deviceId']}", {"user_id": "bob"})
    worker.subscription_changed(sandbox.mint_web(user="renewed")[0])
    demo.page.select_option("#user", "bob")
    demo.send()
    demo.expect_state("accepted")
    assert before["mappingId"] != demo.store()["mappingId"] == demo.newest_payload("renewed")["pushhub"]["mapping"]


def test_a_renewal_does_not_sign_a_user_in(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any], sandbox: SandboxClient
) -> None:
    demo.page.evaluate("pushhubStore.read().then((known) => pushhubStore.write({ ...known, mappingId: null }))")
    worker.subscription_changed(sandbox.mint_web()[0])
    assert demo.store()["mappingId"] is None


def test_signing_out_closes_pushhubs_notifications(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any]
) -> None:
    worker.deliver(alices)
    demo.page.evaluate('navigator.serviceWorker.ready.then((worker) => worker.showNotification("The site\'s own"))')
    demo.sign_out()
    assert worker.shown() == ["The site's own"]


def test_the_next_user_does_not_see_notifications_of_the_previous_user(
    demo: DemoPage, worker: ServiceWorker, alices: dict[str, Any]
) -> None:
    worker.deliver(alices)
    demo.simulate("alice")
    assert worker.shown() == ["Hello from pushhub"]
    demo.simulate("bob")
    assert worker.shown() == []


def test_a_reloaded_page_keeps_its_device(demo: DemoPage, alices: dict[str, Any]) -> None:
    before = demo.store()
    demo.page.reload()
    demo.simulate("alice")
    assert demo.store() == before


def test_the_client_replaces_no_global_names(demo: DemoPage) -> None:
    assert "native code" in demo.page.evaluate("String(window.open)")


@pytest.fixture
def subscriber(page: Page, sandbox: SandboxClient) -> Page:
    """The page in a browser that can subscribe. Without the browser's cache, in which the key's response may be stored,
    it uses a rotated key immediately."""
    push_manager_fake(page, sandbox.url)
    page.route("**/v1/webpush/config", lambda route: route.continue_())  # a route disables the browser's cache
    page.goto("/demo/")
    return page


def subscribe(page: Page) -> list[str]:
    """Presses the button. Returns the page's calls of the push manager."""
    page.evaluate("() => { document.querySelector('#status').textContent = ''; fakePush.log = []; }")
    page.click("#subscribe")
    expect(page.locator("#status")).to_contain_text("This browser is alice's now")
    log: list[str] = page.evaluate("fakePush.log")
    return log


def vapid_rotate(api: Api) -> str:
    """Rotates the VAPID key. Returns the new key."""
    key: str = api("POST", "/v1/apps/web:rotate", {})["application_server_key"]
    return key


def test_the_next_registration_uses_a_rotated_key(subscriber: Page, api: Api) -> None:
    before = subscribe(subscriber)
    key = vapid_rotate(api)
    assert before != [f"subscribe {key}"]
    assert subscribe(subscriber) == ["unsubscribe", f"subscribe {key}"]


def test_a_registration_with_the_same_key_keeps_the_subscription(subscriber: Page) -> None:
    subscribe(subscriber)
    assert "unsubscribe" not in subscribe(subscriber)


def test_a_push_reaches_the_subscriptions_of_both_keys(
    subscriber: Page, sandbox: SandboxClient, api: Api, demo: DemoPage
) -> None:
    subscribe(subscriber)
    vapid_rotate(api)
    for count in (1, 2):
        demo.send()
        demo.expect_state("accepted")
        assert len(sandbox.messages(user="faked")) == count
        subscribe(subscriber)
