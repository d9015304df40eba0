"""docs/operations/observing.md lists every check of the project, and no other."""

import re

from tests.docs.packages import ROOT, sources

PAGE = ROOT / "docs" / "operations" / "observing.md"


def in_the_code() -> set[str]:
    texts = (path.read_text("utf-8") for path in sources())
    return {id for text in texts for id in re.findall(r'"([a-z]+\.[EW]\d{3})"', text)}


def test_every_check_is_in_the_table_and_no_other() -> None:
    assert set(re.findall(r"^\| `(\w+\.[EW]\d+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)) == in_the_code()


def test_checks_of_several_packages_are_found() -> None:
    assert {"pushhub.E001", "devices.W001"} <= in_the_code()
