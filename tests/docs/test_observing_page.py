"""docs/operations/observing.md names every check of the project, and no other."""

import re
from pathlib import Path

from tests.docs.test_settings_page import ROOMS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operations" / "observing.md"


def in_the_code() -> set[str]:
    sources = (path.read_text("utf-8") for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return {id for source in sources for id in re.findall(r'"([a-z]+\.[EW]\d{3})"', source)}


def test_every_check_is_in_the_table_and_no_other() -> None:
    assert set(re.findall(r"^\| `(\w+\.[EW]\d+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)) == in_the_code()


def test_checks_of_several_rooms_are_seen() -> None:
    assert {"pushhub.E001", "devices.W001"} <= in_the_code()
