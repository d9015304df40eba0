"""A real Chromium and a running service with the sandbox as its vendors. Pages must load without console errors."""

import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from pushhub.embedded.stage import Stage
from pushhub.embedded.state import CHECKOUT
from sandbox.testing import SandboxClient

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Without these options Chromium sends its own requests to the internet, which a test does not need.
NO_REQUESTS = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
ARTIFACTS = CHECKOUT / ".artifacts"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    assert program, "No Chromium on PATH. `make test-browser` prints how to install it."
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=program, args=["--headless=new", "--no-sandbox", "--disable-gpu", *NO_REQUESTS]
        )
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser, service: Stage) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=service.url)
    context.set_default_timeout(20_000)
    context.grant_permissions(["notifications"], origin=service.url)
    yield context
    context.close()


@pytest.fixture
def console_errors() -> list[str]:
    """The errors in the page's console. A test that expects errors clears the list."""
    return []


@pytest.fixture
def page(context: BrowserContext, console_errors: list[str]) -> Iterator[Page]:
    page = context.new_page()
    page.on("console", lambda message: console_errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: console_errors.append(str(error)))
    yield page
    assert console_errors == []


@pytest.fixture
def screenshot(page: Page, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Stores a picture of the page, for people: .artifacts/<name>.png"""
    ARTIFACTS.mkdir(exist_ok=True)

    def take(name: str) -> None:
        page.screenshot(path=ARTIFACTS / f"{re.sub(r'[^a-z0-9-]+', '-', name.lower())}.png", full_page=True)

    return take


class Api:
    """The demo tenant's backend."""

    def __init__(self, service: Stage) -> None:
        self._url = service.url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {service.server_key}"

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        response = self._session.request(method, self._url + path, json=body, headers=headers, timeout=20)
        assert response.ok, response.text
        document: dict[str, Any] = response.json() if response.content else {}
        return document


@pytest.fixture(scope="session")
def api(service: Stage) -> Api:
    return Api(service)


@pytest.fixture
def sandbox(service: Stage, api: Api) -> SandboxClient:
    """An empty sandbox. The users have no devices of earlier tests."""
    for user in ("alice", "bob"):
        api("PUT", f"/v1/users/{user}", {})
        api("DELETE", f"/v1/users/{user}")
    client = SandboxClient(service.sandbox_url)
    client.reset()
    return client
