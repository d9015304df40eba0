"""The examples of docs/bulk.md are files that can be imported."""

import re
from pathlib import Path

import pytest

from tenants.services import TenantCreated
from tests.devices.bulk.conftest import NDJSON, Registry, counts
from tests.devices.conftest import SnsApp

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "bulk.md").read_text("utf-8")
FILES = re.findall(r"```(ndjson|csv|pinpoint)\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("kind", "file"), FILES, ids=[kind for kind, _ in FILES])
def test_an_example_can_be_imported(
    registry: Registry, acme: TenantCreated, sns_app: SnsApp, kind: str, file: str
) -> None:
    sns_app(acme.tenant)
    job = registry.load(file.encode(), "text/csv" if kind == "csv" else NDJSON)
    lines = file.count("\n") - (kind == "csv")
    assert counts(job) == {"done": lines, "total": lines, "created": lines}


def test_each_format_has_an_example() -> None:
    assert [kind for kind, _ in FILES] == ["ndjson", "csv", "pinpoint"]
