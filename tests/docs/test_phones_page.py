"""The phones page: its tour is run as a new user types it, and the API's serializers accept its other examples."""

import json
import os
import re
import subprocess
from pathlib import Path

from devices.api.serializers import AppCreateSerializer, DeviceRegistrationSerializer
from notifications.api.serializers import ReceiptsSerializer
from pushhub.embedded.programs import manage
from pushhub.embedded.stage import Stage

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE, TOUR = (CHECKOUT / "docs" / "phones.md").read_text("utf-8").split("\n## Try it without AWS\n")


def tour() -> str:
    """`say` as defined in the README, then the lines of the page."""
    [say] = re.findall(r"^say\(\) .*$", (CHECKOUT / "README.md").read_text("utf-8"), re.MULTILINE)
    return "\n".join(["set -eu", say, *re.findall(r"^```sh\n(.*?)^```", TOUR, re.MULTILINE | re.DOTALL)])


def test_the_tour_ends_with_an_invalid_token_and_a_sign_out(service: Stage) -> None:
    manage("tenant_link_schemes", service.tenant, "acme", env=service.env)  # as `make run` does
    printed = {"API": service.url, "SANDBOX": service.sandbox_url, "KEY": service.server_key, "NO_PROXY": "*"}
    done = subprocess.run(["bash", "-c", tour()], env=os.environ | printed, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *_, opened, _, undelivered, disabled, signed_out = done.stdout.splitlines()
    assert '"state":"opened"' in opened
    assert '"state":"undelivered","reason":"InvalidPlatformToken"' in undelivered
    assert '"state":"disabled"' in disabled
    assert '"user_id":null' in signed_out


def test_the_api_accepts_the_app() -> None:
    [body] = re.findall(r"^say \$API/v1/apps -d '(\{.*?\})'$", PAGE, re.MULTILINE | re.DOTALL)
    AppCreateSerializer(data=json.loads(body)).is_valid(raise_exception=True)


def test_the_api_accepts_the_registration() -> None:
    [body] = re.findall(r"^(\{\"platform\": .*\})$", PAGE, re.MULTILINE)
    DeviceRegistrationSerializer(data=json.loads(body)).is_valid(raise_exception=True)


def test_the_api_accepts_the_receipts() -> None:
    [body] = re.findall(r"^ +(\{\"receipts\": .*\})$", PAGE, re.MULTILINE)
    ReceiptsSerializer(data=json.loads(body)).is_valid(raise_exception=True)
