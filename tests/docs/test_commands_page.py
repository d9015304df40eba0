"""docs/operations/README.md names every command of our apps, and none that is not there."""

import re
from pathlib import Path

from django.core.management import get_commands

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations" / "README.md"
ROOMS = {"pushhub", "tenants", "events", "devices", "notifications", "avatars", "clients"}


def on_the_page() -> set[str]:
    """The first word of each code in the first column of the tables of commands."""
    page = PAGE.read_text("utf-8")
    columns = re.findall(r"^\| (`.+`) \| ", page[page.index("## The commands") :], re.MULTILINE)
    return {name for column in columns for name in re.findall(r"`([a-z_]+)", column)}


def test_every_command_of_ours_is_on_the_page() -> None:
    ours = {name for name, room in get_commands().items() if room in ROOMS}
    assert ours
    assert ours <= on_the_page()


def test_every_command_on_the_page_exists() -> None:
    assert on_the_page() <= set(get_commands())
