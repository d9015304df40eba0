"""docs/operations/README.md lists every command of the project's apps, and no command that does not exist."""

import re
from pathlib import Path

from django.core.management import get_commands

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations" / "README.md"
APPS = {"pushhub", "tenants", "events", "devices", "notifications", "avatars", "clients"}


def on_the_page() -> set[str]:
    """The first word of each code in the first column of the command tables."""
    page = PAGE.read_text("utf-8")
    columns = re.findall(r"^\| (`.+`) \| ", page[page.index("## The commands") :], re.MULTILINE)
    return {name for column in columns for name in re.findall(r"`([a-z_]+)", column)}


def test_every_command_of_the_project_is_on_the_page() -> None:
    commands = {name for name, app in get_commands().items() if app in APPS}
    assert commands
    assert commands <= on_the_page()


def test_every_command_on_the_page_exists() -> None:
    assert on_the_page() <= set(get_commands())
