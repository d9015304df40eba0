"""The page of docs/web-client.md on a tenant's origin, with the three files of the web client."""

import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect
from typing_extensions import override

from pushhub.embedded.programs import manage
from pushhub.embedded.stage import Stage
from pushhub.embedded.state import CHECKOUT
from sandbox.testing import SandboxClient
from tests.browser.client import ServiceWorker, push_manager_fake, wait_for
from tests.browser.conftest import Api

pytestmark = pytest.mark.browser
USER = "erin"


class SilentHandler(SimpleHTTPRequestHandler):
    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""


@pytest.fixture(scope="module")
def site(service: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The tenant's origin, which the tenant lists in `cors_origins`."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("pushhub.js", "store.js", "sw.js"):
        shutil.copy(CHECKOUT / "clients" / "static" / "pushhub" / name, folder)
    (page,) = re.findall(r"^```html\n(.*?)^```", Path(CHECKOUT / "docs/web-client.md").read_text(), re.M | re.S)
    (folder / "index.html").write_text(page.replace("https://push.example.com", service.url))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SilentHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{server.server_port}"
        allow = f"Tenant.objects.filter(slug='demo').update(cors_origins=['{origin}'])"
        manage("shell", "-c", f"from tenants.models import Tenant; {allow}", env=service.env)
        yield origin
        server.shutdown()


@pytest.fixture
def tenant_page(page: Page, site: str, sandbox: SandboxClient, service: Stage, api: Api) -> Page:
    """The page in a browser that can subscribe. The user has signed in."""
    api("DELETE", f"/v1/users/{USER}")
    _wait_for_origin(page, service, site)
    page.context.grant_permissions(["notifications"], origin=site)
    push_manager_fake(page, sandbox.url)
    token = api("POST", f"/v1/users/{USER}/tokens", {})
    page.route("**/push-token", lambda route: route.fulfill(json=token))
    page.goto(site)
    return page


def _wait_for_origin(page: Page, service: Stage, origin: str) -> None:
    """Waits until all web processes have read the list of origins, which they do every half minute.

    Many requests at once: one after the other might all reach the same process.
    """
    headers = {"Origin": origin, "Access-Control-Request-Method": "PUT"}

    def is_allowed(_: int) -> bool:
        response = requests.options(f"{service.url}/v1/devices", headers=headers, timeout=5)
        return "Access-Control-Allow-Origin" in response.headers

    def allowed() -> bool:
        with ThreadPoolExecutor(16) as threads:
            return all(threads.map(is_allowed, range(48)))

    wait_for(page, allowed, seconds=60)


def registered(page: Page) -> dict[str, Any]:
    """Waits until the browser is registered. Returns the values that the client has stored."""
    wait_for(page, lambda: bool(page.evaluate("pushhubStore.read()").get("mappingId")))
    values: dict[str, Any] = page.evaluate("pushhubStore.read()")
    return values


def test_the_page_of_the_docs_registers_receives_and_signs_out(
    tenant_page: Page, api: Api, sandbox: SandboxClient, service: Stage
) -> None:
    tenant_page.click("#on")
    device = api("GET", f"/v1/devices/{registered(tenant_page)['deviceId']}")
    assert (device["user_id"], device["endpoint"]["state"]) == (USER, "active")

    sent = api("POST", "/v1/notifications", {"to": {"users": [USER]}, "content": {"title": "Shipped"}})
    sandbox.wait_for_messages(1, user="faked")
    worker = ServiceWorker(tenant_page, "/sw.js")
    worker.deliver(sandbox.messages(user="faked")[-1]["payload"])
    assert worker.shown() == ["Shipped"]
    wait_for(tenant_page, lambda: _states(api, sent["id"]) == ["delivered"])

    tenant_page.click("#off")
    wait_for(tenant_page, lambda: api("GET", f"/v1/devices/{device['device_id']}")["user_id"] is None)


def test_concurrent_registrations_create_one_device(tenant_page: Page, api: Api) -> None:
    tenant_page.evaluate("Promise.all([1, 2, 3, 4].map(() => push.register()))")
    devices = api("GET", f"/v1/devices?user_id={USER}&state=active")["data"]
    assert [device["device_id"] for device in devices] == [registered(tenant_page)["deviceId"]]


def test_an_origin_that_is_not_listed_cannot_register(tenant_page: Page, site: str, console_errors: list[str]) -> None:
    tenant_page.goto(site.replace("127.0.0.1", "localhost"))
    tenant_page.context.grant_permissions(["notifications"], origin=site.replace("127.0.0.1", "localhost"))
    failure = tenant_page.evaluate("push.register().catch((error) => error.message)")
    assert failure == "Failed to fetch"
    expect(tenant_page.locator("#on")).to_be_visible()
    assert any("CORS" in error for error in console_errors)
    console_errors.clear()


def _states(api: Api, notification_id: str) -> list[str]:
    return [row["state"] for row in api("GET", f"/v1/notifications/{notification_id}/deliveries")["data"]]
