"""The command `python -m sandbox`: see docs/sandbox.md."""

import argparse
from pathlib import Path

from sandbox.app import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Local stand-ins for push services and SNS.")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port (default)")
    parser.add_argument("--json", action="store_true", help="print the addresses as one JSON line and nothing else")
    parser.add_argument("--quiet", action="store_true", help="print no line for each caught notification")
    parser.add_argument("--no-decrypt", action="store_true", help="check headers and credentials only (for benchmarks)")
    parser.add_argument("--until-stdin-closes", action="store_true", help="stop when the parent process closes stdin")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep subscriptions and responses in this folder")
    options = parser.parse_args()
    try:
        run(
            options.host,
            options.port,
            json_ready=options.json,
            decrypt=not options.no_decrypt,
            echo=not options.quiet,
            until_stdin_closes=options.until_stdin_closes,
            keep=options.keep,
        )
    except (ValueError, OverflowError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
