"""A provider is one package and one registry line: nothing else in this repository knows the toy."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.db import connection
from typing_extensions import override

from providers.types import Push
from tenants.services import TenantCreated
from tests.architecture.source import ROOT
from tests.providers.contract import MESSAGE, ProviderContract
from tests.providers.toy.provider import ToyProvider
from tests.providers.toy.types import ToyCredentials, ToyEndpoint


class ToyVendor(BaseHTTPRequestHandler):
    seen: ClassVar[list[tuple[str, str | None, dict[str, Any]]]] = []

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.path, self.headers.get("Toy-Key"), payload))
        self.send_response(201)
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def vendor_url() -> Iterator[str]:
    ToyVendor.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), ToyVendor) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def outcome(acme: TenantCreated, vendor_url: str, tmp_path: Path) -> dict[str, Any]:
    """What a process with the toy in its registry made of an app, a device and a notification."""
    shutil.copytree(ROOT / "tests/providers/toy", tmp_path / "toy")
    database = connection.settings_dict
    address = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}"
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}:{tmp_path}",
        "DATABASE_URL": f"{address}/{database['NAME']}",
        "TOY_SERVER_KEY": acme.server_key,
    }
    command = [sys.executable, "-m", "tests.providers.toy_run", vendor_url]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return result


@pytest.mark.django_db(transaction=True)
def test_a_provider_of_another_package_is_sent_through(outcome: dict[str, Any]) -> None:
    assert outcome["answers"] == [201, 201, 200, 202]
    assert (outcome["app"]["provider"], outcome["app"]["state"]) == ("toy", "active")
    assert outcome["app"]["verified_at"] is not None
    assert outcome["deliveries"] == [["accepted", ""]]
    [(path, key, payload)] = ToyVendor.seen
    assert (path, key, payload["title"]) == ("/17", "k3y", "Hello")


@pytest.mark.django_db(transaction=True)
def test_the_api_describes_it(outcome: dict[str, Any]) -> None:
    assert "teddy" in outcome["previewed"]
    components = outcome["components"]
    assert {"toy_url", "toy_key"} <= components["AppCreateRequest"]["properties"].keys()
    assert components["AppCreateProviderEnum"]["enum"] == ["webpush", "sns", "toy"]
    assert "toy_number" in components["DeviceRegistrationRequest"]["properties"]


@pytest.fixture
def provider() -> ToyProvider:
    return ToyProvider()


@pytest.fixture
def push() -> Push:
    return Push(
        message=MESSAGE,
        mapping_id="mapping-1",
        delivery_id="delivery-1",
        ttl=60,
        endpoint=ToyEndpoint(number="17"),
        credentials=ToyCredentials(url="http://127.0.0.1:1", key="k3y"),
    )


class TestContract(ProviderContract):
    secrets = ("k3y", "for alice")
    registration: ClassVar[dict[str, Any]] = {"toy_number": "17"}
