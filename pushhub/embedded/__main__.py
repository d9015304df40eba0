"""`python -m pushhub.embedded`: the commands behind the Makefile."""

from __future__ import annotations

import argparse
import subprocess
import sys

from .account import EmbeddedError, home_remove
from .bootstrap import run
from .services import SERVERS, ensure_services, keep, keeper_alive
from .stage import demo
from .state import state_folder


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pushhub.embedded", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="run servers, migrations, the demo tenant, web, workers and beat until Ctrl-C")
    commands.add_parser("demo", help="send a broadcast on temporary servers and check it; options as for sandbox.demo")
    within = commands.add_parser("with", help="run a command while the servers are up, with their addresses set")
    within.add_argument("argv", nargs=argparse.REMAINDER)
    commands.add_parser("wipe", help="delete this checkout's data, secrets and logs")
    keeper = commands.add_parser("keep", help="run one server until no process uses it (internal)")
    keeper.add_argument("server", choices=sorted(SERVERS))
    arguments, others = parser.parse_known_args(argv)
    if others and arguments.command != "demo":
        parser.error(f"unknown arguments: {' '.join(others)}")
    match arguments.command:
        case "run":
            return run()
        case "demo":
            return demo(others)
        case "with":
            return _within(arguments.argv)
        case "wipe":
            return _wipe()
        case _:
            return keep(arguments.server, state_folder())


def _within(argv: list[str]) -> int:
    with ensure_services():
        return subprocess.run(argv).returncode


def _wipe() -> int:
    folder = state_folder()
    if any(keeper_alive(name, folder) for name in SERVERS):
        raise EmbeddedError("The servers are running: stop `make run` first.")
    home_remove(folder)
    print(f"Deleted {folder}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EmbeddedError as error:
        sys.exit(f"pushhub: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
