"""The page of settings, as several tests read it."""

import re

from tests.docs.packages import ROOT

PAGE = ROOT / "docs" / "operations" / "settings.md"


def on_the_page() -> set[str]:
    """The names in the first column of its tables."""
    columns = re.findall(r"^\| (`[^|]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    return {name for column in columns for name in re.findall(r"`([A-Z0-9_]+)`", column)}
