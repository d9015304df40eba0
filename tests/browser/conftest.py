"""A real Chromium in front of a real service with the sandbox behind it. Pages must load without a console error."""

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
# Headless Chromium asks its maker for this and that: nothing of it belongs into a test.
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
ARTIFACTS = CHECKOUT / ".artifacts"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    assert program, "No Chromium on PATH: run `make test-browser`, which says how to get one."
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=program, args=["--headless=new", "--no-sandbox", "--disable-gpu", *QUIET]
        )
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser, service: Stage) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=service.url)
    made.set_default_timeout(20_000)
    made.grant_permissions(["notifications"], origin=service.url)
    yield made
    made.close()


@pytest.fixture
def console_errors() -> list[str]:
    """What went wrong on the page so far; a test that expects it clears the list."""
    return []


@pytest.fixture
def page(context: BrowserContext, console_errors: list[str]) -> Iterator[Page]:
    made = context.new_page()
    made.on("console", lambda said: console_errors.append(said.text) if said.type == "error" else None)
    made.on("pageerror", lambda error: console_errors.append(str(error)))
    yield made
    assert console_errors == []


@pytest.fixture
def screenshot(page: Page, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keep what the page looks like, for people: .artifacts/<name>.png"""
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
        answer = self._session.request(method, self._url + path, json=body, headers=headers, timeout=20)
        assert answer.ok, answer.text
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found


@pytest.fixture(scope="session")
def api(service: Stage) -> Api:
    return Api(service)


@pytest.fixture
def sandbox(service: Stage, api: Api) -> SandboxClient:
    """Empty; and nobody has a browser of an earlier test."""
    for user in ("alice", "bob"):
        api("PUT", f"/v1/users/{user}", {})
        api("DELETE", f"/v1/users/{user}")
    client = SandboxClient(service.sandbox_url)
    client.reset()
    return client
