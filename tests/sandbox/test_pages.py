"""Which web pages may read the sandbox's responses."""

import urllib.error
import urllib.request

import pytest

from sandbox.testing import SandboxProcess


def allowed(sandbox: SandboxProcess, path: str, origin: str) -> str | None:
    request = urllib.request.Request(f"{sandbox.url}{path}", data=b"{}", headers={"Origin": origin})
    with urllib.request.urlopen(request, timeout=5) as response:
        found: str | None = response.headers["Access-Control-Allow-Origin"]
    return found


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "http://localhost:8000"])
def test_the_demo_page_may_mint_a_simulated_browser(sandbox: SandboxProcess, origin: str) -> None:
    assert allowed(sandbox, "/sandbox/devices/web", origin) == origin


def test_other_responses_are_for_the_sandboxs_own_page(sandbox: SandboxProcess) -> None:
    assert allowed(sandbox, "/sandbox/devices/sns", "http://127.0.0.1:8000") is None


def test_pages_of_other_sites_mint_nothing(sandbox: SandboxProcess) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        allowed(sandbox, "/sandbox/devices/web", "https://evil.example")
    assert refused.value.code == 403
    refused.value.close()
