"""The examples of docs/bulk.md are files that go in."""

import re
from pathlib import Path

import pytest

from tenants.services import TenantCreated
from tests.devices.bulk.conftest import NDJSON, Registry, counts
from tests.devices.conftest import SnsApp

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "bulk.md").read_text("utf-8")
FILES = re.findall(r"```(ndjson|csv|pinpoint)\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("kind", "file"), FILES, ids=[kind for kind, _ in FILES])
def test_an_example_goes_in(registry: Registry, acme: TenantCreated, sns_app: SnsApp, kind: str, file: str) -> None:
    sns_app(acme.tenant)
    job = registry.load(file.encode(), "text/csv" if kind == "csv" else NDJSON)
    lines = file.count("\n") - (kind == "csv")
    assert counts(job) == {"done": lines, "total": lines, "created": lines}


def test_there_is_an_example_of_each_format() -> None:
    assert [kind for kind, _ in FILES] == ["ndjson", "csv", "pinpoint"]
