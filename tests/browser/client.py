"""Drives the demo page and its service worker."""

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import CDPSession, Page, Worker, expect

from sandbox.testing import SandboxClient


class DemoPage:
    """`/demo/` in a browser, with the messages that the sandbox caught for its simulated subscription."""

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
        """Of the newest notification, at this browser."""
        row = self.page.locator("#sent li").first.locator(".delivery", has_text="this browser")
        expect(row.locator(".state")).to_have_text(state)

    def caught(self, user: str) -> dict[str, Any]:
        """The payload of the newest message, as a browser would decrypt it."""
        message: dict[str, Any] = self.sandbox.messages(user=user)[-1]["payload"]
        return message

    def store(self) -> dict[str, Any]:
        found: dict[str, Any] = self.page.evaluate("pushhubStore.read()")
        return found


class ServiceWorker:
    """The page's worker: what the push service and the person would do to it."""

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
        """As the browser hands a decrypted message to the worker; returns once the worker has dealt with it."""
        data = payload if isinstance(payload, str) else json.dumps(payload)
        where = {"origin": self._page.evaluate("location.origin"), "data": data}
        self._cdp.send(
            "ServiceWorker.deliverPushMessage",
            {**where, "registrationId": self._registrations[-1]["registrationId"]},
        )
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
        """As a person clicks the first notification, or its button; the addresses that open."""
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
        """As the browser says that it has made a new subscription; None: that it took the old one away."""
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
        """The worker's own push manager makes this subscription; `subscribedWith` is what it was asked for."""
        self.worker.evaluate(
            """(subscription) => {
                PushManager.prototype.subscribe = async (options) => {
                    self.subscribedWith = options;
                    return { toJSON: () => subscription };
                };
            }""",
            subscription,
        )

    def answers_fail(self, times: int, status: int = 0) -> None:
        """The next requests of the worker are answered so; 0: not at all. It does not wait between its tries."""
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
    """In place of the browser's own, which needs its maker's push service: subscriptions of the sandbox, one at a time.

    Must be called before the page is opened. `fakePush.log` says what was asked of it.
    """
    page.add_init_script(f"self.SANDBOX = {json.dumps(sandbox_url)};")
    page.add_init_script(
        """self.fakePush = { current: null, log: [] };
        PushManager.prototype.getSubscription = async () => fakePush.current;
        PushManager.prototype.subscribe = async ({ applicationServerKey }) => {
            fakePush.log.push(`subscribe ${applicationServerKey}`);
            const body = JSON.stringify({ application_server_key: applicationServerKey, user: "faked" });
            const answer = await fetch(`${SANDBOX}/sandbox/devices/web`, { method: "POST", body });
            const [subscription] = (await answer.json()).subscriptions;
            const text = atob(applicationServerKey.replaceAll("-", "+").replaceAll("_", "/"));
            const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
            const options = { applicationServerKey: bytes.buffer };
            const unsubscribe = async () => { fakePush.log.push("unsubscribe"); fakePush.current = null; };
            return (fakePush.current ??= { options, unsubscribe, toJSON: () => subscription });
        };"""
    )


def wait_for(page: Page, ready: Callable[[], bool], *, seconds: float = 10) -> None:
    """Lets the browser's events in, which time.sleep would not."""
    for _ in range(int(seconds * 10)):
        if ready():
            return
        page.wait_for_timeout(100)
    raise AssertionError("not in time")
