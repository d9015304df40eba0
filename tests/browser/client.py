"""Helpers that control the demo page and its service worker."""

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import CDPSession, Page, Worker, expect

from sandbox.testing import SandboxClient


class DemoPage:
    """`/demo/` in a browser, and the messages in the sandbox for its simulated subscription."""

    def __init__(self, page: Page, sandbox: SandboxClient) -> None:
        self.page = page
        self.sandbox = sandbox
        page.goto("/demo/")

    def simulate(self, user: str) -> None:
        self.page.select_option("#user", user)
        self.page.click("#simulate")
        expect(self.page.locator("#status")).to_contain_text(f"This browser is {user}'s now")

    def sign_out(self) -> None:
        self.page.click("#sign-out")
        expect(self.page.locator("#status")).to_contain_text("Signed out")

    def send(self) -> None:
        before = self.page.locator("#sent li").count()
        self.page.click("#send")
        expect(self.page.locator("#sent li")).to_have_count(before + 1)

    def expect_state(self, state: str) -> None:
        """Waits until the delivery of the newest notification to this browser has the state."""
        row = self.page.locator("#sent li").first.locator(".delivery", has_text="this browser")
        expect(row.locator(".state")).to_have_text(state)

    def newest_payload(self, user: str) -> dict[str, Any]:
        """The decrypted payload of the newest message."""
        message: dict[str, Any] = self.sandbox.messages(user=user)[-1]["payload"]
        return message

    def store(self) -> dict[str, Any]:
        values: dict[str, Any] = self.page.evaluate("pushhubStore.read()")
        return values


class ServiceWorker:
    """The page's service worker, with the actions of the push service and of the user."""

    def __init__(self, page: Page, script: str = "/demo/sw.js") -> None:
        self._page = page
        self._registrations: list[dict[str, Any]] = []
        self._cdp: CDPSession = page.context.new_cdp_session(page)
        self._cdp.on("ServiceWorker.workerRegistrationUpdated", self._updated)
        self._cdp.send("ServiceWorker.enable")
        page.evaluate(
            "(script) => navigator.serviceWorker.register(script).then(() => navigator.serviceWorker.ready)", script
        )
        wait_for(page, lambda: bool(self._registrations and page.context.service_workers))
        self.worker: Worker = page.context.service_workers[0]
        self.worker.evaluate(
            """() => {
                const fetch = self.fetch;
                self.calls = [];
                self.fetch = (url, options) => (self.calls.push(new URL(url).pathname), fetch(url, options));
            }"""
        )

    def _updated(self, event: dict[str, Any]) -> None:
        self._registrations += event["registrations"]

    def deliver(self, payload: Any) -> None:
        """Gives a decrypted message to the worker, as the browser does, and waits until it is handled."""
        message = {
            "origin": self._page.evaluate("location.origin"),
            "data": payload if isinstance(payload, str) else json.dumps(payload),
            "registrationId": self._registrations[-1]["registrationId"],
        }
        self._cdp.send("ServiceWorker.deliverPushMessage", message)
        self._page.wait_for_timeout(500)

    def shown(self) -> list[str]:
        """The titles of the notifications on the screen."""
        titles: list[str] = self._page.evaluate(
            "navigator.serviceWorker.ready.then((r) => r.getNotifications()).then((all) => all.map((n) => n.title))"
        )
        return titles

    def calls(self) -> list[str]:
        """The paths that the worker has called since it started."""
        paths: list[str] = self.worker.evaluate("self.calls")
        return paths

    def click(self, action: str = "") -> list[str]:
        """Clicks the first notification, or its button. Returns the addresses that the worker opens."""
        opened: list[str] = self.worker.evaluate(
            """async (action) => {
                const opened = [];
                self.clients.openWindow = async (url) => void opened.push(url);
                const [notification] = await self.registration.getNotifications();
                let done;
                const waitUntil = (promise) => (done = promise);
                self.dispatchEvent(Object.assign(new Event("notificationclick"), { notification, action, waitUntil }));
                await done;
                return opened;
            }""",
            action,
        )
        return opened

    def subscription_changed(self, subscription: Any) -> None:
        """Sends the browser's event for a new subscription; None means that the browser removed the subscription."""
        self.worker.evaluate(
            """async (subscription) => {
                let done;
                const event = new Event("pushsubscriptionchange");
                const newSubscription = subscription && { toJSON: () => subscription };
                self.dispatchEvent(Object.assign(event, { newSubscription, waitUntil: (promise) => (done = promise) }));
                await done;
            }""",
            subscription,
        )

    def can_subscribe(self, subscription: Any) -> None:
        """Makes the worker's push manager return this subscription. `subscribedWith` contains its last options."""
        self.worker.evaluate(
            """(subscription) => {
                PushManager.prototype.subscribe = async (options) => {
                    self.subscribedWith = options;
                    return { toJSON: () => subscription };
                };
            }""",
            subscription,
        )

    def requests_fail(self, times: int, status: int = 0) -> None:
        """The next requests of the worker get this status; with 0 they get no response. The worker does not wait
        between its retries."""
        self.worker.evaluate(
            """({ times, status }) => {
                const fetch = self.fetch;
                RENEWAL_WAITS.fill(0);
                self.fetch = async (url, options) => {
                    if (times-- <= 0) return fetch(url, options);
                    if (!status) throw new TypeError("Failed to fetch");
                    return new Response("{}", { status });
                };
            }""",
            {"times": times, "status": status},
        )


def push_manager_fake(page: Page, sandbox_url: str) -> None:
    """Replaces the browser's push manager, which needs a push service in the internet. The fake has at most one
    subscription, from the sandbox.

    Call it before the page is opened. `fakePush.log` lists the calls.
    """
    page.add_init_script(f"self.SANDBOX = {json.dumps(sandbox_url)};")
    page.add_init_script(
        """self.fakePush = { current: null, log: [] };
        PushManager.prototype.getSubscription = async () => fakePush.current;
        PushManager.prototype.subscribe = async ({ applicationServerKey }) => {
            fakePush.log.push(`subscribe ${applicationServerKey}`);
            const body = JSON.stringify({ application_server_key: applicationServerKey, user: "faked" });
            const response = await fetch(`${SANDBOX}/sandbox/devices/web`, { method: "POST", body });
            const [subscription] = (await response.json()).subscriptions;
            const text = atob(applicationServerKey.replaceAll("-", "+").replaceAll("_", "/"));
            const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
            const options = { applicationServerKey: bytes.buffer };
            const unsubscribe = async () => { fakePush.log.push("unsubscribe"); fakePush.current = null; };
            return (fakePush.current ??= { options, unsubscribe, toJSON: () => subscription });
        };"""
    )


def wait_for(page: Page, ready: Callable[[], bool], *, seconds: float = 10) -> None:
    """Waits until `ready` is true. Unlike time.sleep it handles the browser's events."""
    for _ in range(int(seconds * 10)):
        if ready():
            return
        page.wait_for_timeout(100)
    raise AssertionError("not in time")
