#!/usr/bin/env python3
"""Django's command line. Without DATABASE_URL it uses the servers of this checkout, and starts them if necessary."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushhub.settings.run")
    from pushhub.embedded.command import command_line

    command_line(sys.argv)


if __name__ == "__main__":
    main()
