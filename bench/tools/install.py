"""Installs the peers from their registries into `.peers/` once: a virtualenv for Python, node_modules for npm."""

import shutil
import subprocess
import sys

from bench.senders import HERE, PEERS


def peers_install() -> None:
    """Raises CalledProcessError when a registry does not answer; SystemExit when node is missing."""
    if shutil.which("npm") is None:
        raise SystemExit(
            "bench: npm is missing; one of the peers is npm web-push. Install Node.js, or use --only pipeline."
        )
    PEERS.mkdir(exist_ok=True)
    if not (PEERS / "venv/ready").exists():
        print("Installing the Python peers into .peers/venv", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(PEERS / "venv")], check=True)
        pip = [str(PEERS / "venv/bin/python"), "-m", "pip", "install", "--quiet", "-r", str(HERE / "requirements.txt")]
        subprocess.run(pip, check=True)
        (PEERS / "venv/ready").touch()
    if not (PEERS / "node_modules/web-push").exists():
        print("Installing npm web-push into .peers/node_modules", file=sys.stderr)
        shutil.copy(HERE / "package.json", PEERS / "package.json")
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=PEERS, check=True)
