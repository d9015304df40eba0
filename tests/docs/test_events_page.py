"""docs/events.md has a row for every type of event, generated from the code."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from events.types import EventType


def test_the_page_is_current() -> None:
    call_command("events_doc", "--check")


def test_every_type_has_one_row(settings: LazySettings) -> None:
    page = (settings.BASE_DIR / "docs" / "events.md").read_text("utf-8")
    assert [page.count(f"\n| `{type}` |") for type in EventType] == [1] * len(EventType)


def test_a_page_that_is_not_current_is_found_and_written_again(settings: LazySettings, tmp_path: Path) -> None:
    settings.BASE_DIR = tmp_path
    page = tmp_path / "docs" / "events.md"
    page.parent.mkdir()
    page.write_text("# Events\n", "utf-8")
    with pytest.raises(CommandError, match=r"manage\.py events_doc"):
        call_command("events_doc", "--check")
    call_command("events_doc")
    call_command("events_doc", "--check")
    assert page.read_text("utf-8").startswith("# Events\n")
