"""The operators' console: every list and one detail page of each model, and the operators' actions."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from pushhub.embedded.programs import manage
from pushhub.embedded.stage import Stage
from sandbox.testing import SandboxClient
from tests.browser.conftest import Api

pytestmark = pytest.mark.browser

Screenshot = Callable[[str], None]
# Only callbacks and refusals of vendors, and lost races, create rows of these models.
MAY_BE_EMPTY = {"Callback receipts", "Parked receipts", "AWS quotas", "Budgets", "Holds", "Avatars", "Avatar policies"}


@pytest.fixture(scope="package")
def session(browser: Browser, service: Stage) -> StorageState:
    """The session of an operator who has logged in."""
    created = json.loads(manage("demo_setup", env=service.env).strip().splitlines()[-1])
    context = browser.new_context(base_url=service.url)
    page = context.new_page()
    page.goto("/admin/")
    page.fill("[name=username]", created["admin_user"])
    page.fill("[name=password]", created["admin_password"])
    page.click("[type=submit]")
    expect(page.locator("#nav-sidebar")).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture(scope="package")
def world(service: Stage, api: Api) -> dict[str, Any]:
    """Rows of most models: carol with a browser and a phone, a topic, a sent notification, and an import."""
    sandbox = SandboxClient(service.sandbox_url)
    application = sandbox.mint_sns_application("APNS", region="eu-west-1")
    keys = {"access_key_id": application.access_key_id, "secret_access_key": application.secret_access_key}
    app = {"name": "demo-ios", "provider": "sns", "platform_application_arn": application.arn, "credentials": keys}
    api("POST", "/v1/apps", app)
    browser, phone = str(uuid.uuid4()), str(uuid.uuid4())
    subscription, token = sandbox.mint_web(user="carol")[0], sandbox.mint_sns(platform="APNS")[0]
    body: dict[str, Any] = {"user_id": "carol", "locale": "pt-PT", "app_version": "2.1.0", "tags": ["beta"]}
    api("PUT", f"/v1/devices/{browser}", body | {"platform": "web", "subscription": subscription})
    api("PUT", f"/v1/devices/{phone}", body | {"platform": "ios", "app": "demo-ios", "token": token})
    api("PUT", "/v1/topics/news/subscribers", {"users": ["carol"]})
    content = {"title": "New sign-in", "body": "From Lisbon", "url": "https://example.com/"}
    message = {"to": {"users": ["carol"]}, "content": content, "category": "login"}
    sent = api("POST", "/v1/notifications", message, **{"Idempotency-Key": str(uuid.uuid4())})
    _completed(api, f"/v1/notifications/{sent['id']}")
    invalid = {"device_id": "none"}
    job = api("POST", "/v1/devices:import", invalid, **{"Content-Type": "application/x-ndjson"})
    _completed(api, f"/v1/jobs/{job['id']}")
    return {"browser": browser, "phone": phone, "sent": sent["id"], "message": message}


def _completed(api: Api, path: str) -> None:
    for _ in range(100):
        if api("GET", path)["state"] == "completed":
            return
        time.sleep(0.2)
    raise AssertionError("not completed in time")


@pytest.fixture
def admin(page: Page, session: StorageState, world: dict[str, Any]) -> Page:
    page.context.add_cookies(session["cookies"])  # type: ignore[arg-type]  # read and written with different types
    page.goto("/admin/")
    return page


def visit(page: Page, address: str) -> None:
    response = page.goto(address)
    assert response is not None
    assert response.ok, f"{address}: {response.status}"


def links(page: Page, inside: str) -> dict[str, str]:
    """The addresses of links to /admin/<app>/<model>/ by their text. The name of an icon is on a separate line."""
    found: list[list[str]] = page.eval_on_selector_all(
        f"{inside} a[href^='/admin/']", "all => all.map((a) => [a.innerText.trim(), a.getAttribute('href')])"
    )
    return {text.split("\n")[-1]: address for text, address in found if address.count("/") >= 4}


def act(page: Page, model: str, row: str, action: str) -> None:
    """Runs an action on one row of a list."""
    visit(page, f"/admin/{model}/?q={row}")
    page.locator("input.action-select").first.check()
    page.select_option("select[name=action]", label=action)
    page.locator("button[name=index]").first.click()


def test_every_list_and_a_detail_page_of_each(admin: Page, screenshot: Screenshot, console_errors: list[str]) -> None:
    empty = set()
    models = links(admin, "#nav-sidebar")
    for name, address in models.items():
        visit(admin, address)
        screenshot(f"admin list {name}")
        rows = links(admin, "#result_list tbody")
        if not rows:
            empty.add(name)
            continue
        visit(admin, next(iter(rows.values())))
        screenshot(f"admin detail {name}")
        assert console_errors == [], name
    assert {"Notifications", "Deliveries", "Devices", "Apps", "Tenants", "End users", "Events"} <= models.keys()
    assert empty <= MAY_BE_EMPTY


def test_the_first_page(admin: Page, screenshot: Screenshot) -> None:
    expect(admin.locator("body")).to_contain_text("Notifications")
    screenshot("admin")
    admin.emulate_media(color_scheme="dark")
    admin.reload()
    screenshot("admin-dark")


def test_every_add_form(admin: Page, screenshot: Screenshot) -> None:
    for model in ("tenants/tenant", "tenants/apikey", "tenants/identitykey", "notifications/notification"):
        visit(admin, f"/admin/{model}/add/")
        screenshot(f"admin add {model}")


def test_an_operator_sends_a_test_push(admin: Page, service: Stage, screenshot: Screenshot) -> None:
    sandbox = SandboxClient(service.sandbox_url)
    visit(admin, "/admin/notifications/notification/add/")
    admin.select_option("[name=tenant]", label="demo")
    admin.fill("[name=user_id]", "carol")
    admin.fill("[name=title]", "From the console")
    admin.click("[name=_save]")
    expect(admin.locator("body")).to_contain_text("was added successfully")
    sandbox.wait_for_messages(1, user="carol")
    titles = [message["payload"]["notification"]["title"] for message in sandbox.messages(user="carol")]
    assert "From the console" in titles
    screenshot("admin test push")


def test_an_operator_disables_and_enables_a_device(admin: Page, api: Api, world: dict[str, Any]) -> None:
    device = world["browser"]
    act(admin, "devices/device", device, "Disable: nothing is sent until an operator enables it")
    expect(admin.locator("body")).to_contain_text(": done")
    assert api("GET", f"/v1/devices/{device}")["endpoint"]["state"] == "disabled"
    act(admin, "devices/device", device, "Enable")
    expect(admin.locator("body")).to_contain_text(": done")
    assert api("GET", f"/v1/devices/{device}")["endpoint"]["state"] == "active"


def test_an_operator_sends_a_test_push_to_a_device(admin: Page, world: dict[str, Any]) -> None:
    act(admin, "devices/device", world["browser"], "Send a test push")
    admin.click("text=see what becomes of it")
    expect(admin.locator("#result_list tbody tr")).to_have_count(1)


@pytest.mark.parametrize(("app", "action"), [("demo-ios", "Verify the credentials"), ("web", "Rotate the VAPID key")])
def test_an_operator_verifies_credentials_and_rotates_a_key(admin: Page, app: str, action: str) -> None:
    act(admin, "devices/app", app, action)
    expect(admin.locator("body")).to_contain_text(": done")


def test_an_operator_cancels_a_scheduled_notification(admin: Page, api: Api, world: dict[str, Any]) -> None:
    scheduled = api("POST", "/v1/notifications", world["message"] | {"send_at": _tomorrow()})
    act(admin, "notifications/notification", scheduled["id"], "Cancel the deliveries that are not sent")
    expect(admin.locator("body")).to_contain_text("cancelled")
    assert api("GET", f"/v1/notifications/{scheduled['id']}")["state"] == "cancelled"


def test_an_operator_redrives_dead_deliveries(admin: Page, world: dict[str, Any]) -> None:
    act(admin, "notifications/notification", world["sent"], "Redrive the dead deliveries")
    expect(admin.locator("body")).to_contain_text("0 deliveries queued again")


def _tomorrow() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400))
