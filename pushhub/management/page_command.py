"""A command that writes a page of `docs/` from the code, or checks that the page is current."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override


class PageCommand(BaseCommand):
    """`page` is a path below `docs/`."""

    page: str
    requires_system_checks: list[str] = []

    def text(self, current: str) -> str:
        """The new text of the page. `current` is its text now ("" if the page does not exist)."""
        raise NotImplementedError

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="fail if the page is not current; write nothing")

    @override
    def handle(self, *args: Any, check: bool = False, **options: Any) -> None:
        path = settings.BASE_DIR / "docs" / self.page
        current = path.read_text("utf-8") if path.exists() else ""
        text = self.text(current)
        if not check:
            path.write_text(text, "utf-8")
        elif current != text:
            command = type(self).__module__.rpartition(".")[2]
            raise CommandError(f"docs/{self.page} is not current. Run: manage.py {command}")
