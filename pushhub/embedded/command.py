"""What stands behind manage.py."""

from __future__ import annotations

import os
import sys

from .account import EmbeddedError


def command_line(argv: list[str]) -> None:
    """Run a Django command with a complete environment. Production gets nothing embedded and nothing generated."""
    from django.core.management import execute_from_command_line

    if os.environ["DJANGO_SETTINGS_MODULE"].endswith(".production"):
        execute_from_command_line(argv)
        return
    from .services import ensure_services

    try:
        with ensure_services():
            execute_from_command_line(argv)
    except EmbeddedError as error:
        sys.exit(f"pushhub: {error}")
