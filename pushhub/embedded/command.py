"""The implementation of manage.py."""

from __future__ import annotations

import os
import sys

from .account import EmbeddedError


def command_line(argv: list[str]) -> None:
    """Runs a Django command with a complete environment. With production settings no server is started and no secret is
    generated."""
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
