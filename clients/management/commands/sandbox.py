import subprocess
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override


class Command(BaseCommand):
    help = "Catches notifications on this machine and shows them in the terminal and on a page, like a mail catcher."
    requires_system_checks: list[str] = []

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", default="0", help="0 takes a free port (default)")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PUSHHUB_PRODUCTION:
            raise CommandError("The sandbox is not for production: it has no password.")
        argv = [sys.executable, "-m", "sandbox", "--port", str(options["port"])]
        try:
            code = subprocess.run(argv, cwd=settings.BASE_DIR).returncode
        except KeyboardInterrupt:  # the sandbox received it, too
            return
        if code:
            raise CommandError("The sandbox ended with an error; its output is above.", returncode=code)
