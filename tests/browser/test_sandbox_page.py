"""The sandbox's page: messages, violations in red, and test devices."""

from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import Page, expect

from sandbox.testing import SandboxClient
from tests.browser.conftest import Api

pytestmark = pytest.mark.browser
DEVICE = "5a9db0c0-0000-4000-8000-000000000001"


def test_a_notification_appears(
    page: Page, sandbox: SandboxClient, api: Api, screenshot: Callable[[str], None]
) -> None:
    page.goto(sandbox.url)
    expect(page.locator("#empty")).to_be_visible()
    screenshot("sandbox empty")
    (subscription,) = sandbox.mint_web(user="dave")
    api("PUT", f"/v1/devices/{DEVICE}", {"platform": "web", "subscription": subscription, "user_id": "dave"})
    api("POST", "/v1/notifications", {"to": {"users": ["dave"]}, "content": {"title": "Hello", "body": "It works."}})
    expect(page.locator("#messages h2")).to_have_text("Hello")
    screenshot("sandbox message")


def test_a_violation_is_shown(page: Page, sandbox: SandboxClient, screenshot: Callable[[str], None]) -> None:
    (subscription,) = sandbox.mint_web()
    requests.post(subscription["endpoint"], data=b"x", timeout=5)
    page.goto(sandbox.url)
    expect(page.locator("#violations article")).to_contain_text("ttl")
    screenshot("sandbox violation")


def test_a_new_device_has_a_curl_command(page: Page, sandbox: SandboxClient, screenshot: Callable[[str], None]) -> None:
    page.goto(sandbox.url)
    page.click("#open")
    page.click("#mint")
    expect(page.locator("#curl")).to_contain_text("curl -X PUT")
    screenshot("sandbox mint")
