"""The command lines of the service's processes, and a check that the web process responds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from .account import EmbeddedError
from .ports import LOOPBACK
from .server import tail
from .state import CHECKOUT

# Celery warns of running as root. Here all processes listen on the loopback interface only.
QUIET = {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}


def program_argv(folder: Path, port: int) -> dict[str, list[str]]:
    """The name and the command line of every process. Beat stores its schedule in `folder`."""
    web = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", LOOPBACK, "--port", str(port)]
    # HTTP/1 only: over HTTP/2 one connection has hundreds of requests, and no timeout for any of them.
    web += ["--http", "1", "--no-ws"]
    # A connection on which no complete head arrives in time is closed, also between two requests. Until then it counts
    # as one of `--backpressure` per worker. The buffer bounds the memory of a connection and the size of a head.
    web += ["--http1-header-read-timeout", "10000", "--http1-buffer-size", "65536"]
    web += ["--backlog", "4096", "--backpressure", "4096"]
    # A worker that is asked to stop while it is starting misses the signal: without a limit its parent waits forever.
    web += ["--workers", "2", "--workers-kill-timeout", "10", "--respawn-failed-workers"]
    web += ["--log-level", "error"]  # without informational lines
    celery = [sys.executable, "-m", "celery", "-A", "pushhub.workers.celery", "--quiet"]
    worker = [*celery, "worker", "--loglevel", "WARNING", "--without-gossip", "--without-mingle"]
    two, all_but_one = (["--concurrency", str(count)] for count in (2, max(1, min(2, (os.cpu_count() or 1) - 1))))
    schedule = str(folder / "beat-schedule")
    return {
        "web": [*web, "pushhub.asgi:application"],
        "dispatch": [*worker, *two, "--queues", "dispatch", "--hostname", "dispatch@%h"],
        "registry": [*worker, *two, "--queues", "registry,upkeep", "--hostname", "registry@%h"],
        # Pictures need much CPU time, and pushes are urgent. So a flood of pictures gets the CPU time that pushes
        # leave, and never the last core.
        "avatars": ["nice", "-n", "10", *worker, *all_but_one, "--queues", "avatars", "--hostname", "avatars@%h"],
        "beat": [*celery, "beat", "--loglevel", "WARNING", "--schedule", schedule, "--pidfile", ""],
    }


def metrics_shared(folder: Path) -> dict[str, str]:
    """The folder in which all processes keep their metrics, unless the environment names one. It is emptied first."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        return {}
    shared = folder / "metrics"
    shutil.rmtree(shared, ignore_errors=True)
    return {"PROMETHEUS_MULTIPROC_DIR": str(shared)}


def manage(*arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Runs a management command and returns its output. Raises EmbeddedError with the end of the output."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=CHECKOUT, env=env, capture_output=True, text=True
    )
    if done.returncode:
        raise EmbeddedError(f"manage.py {arguments[0]} failed:\n{tail(done.stdout + done.stderr)}")
    return done.stdout


def web_responds(url: str, *, path: str = "/livez") -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}{path}", timeout=1):
            return True
    except OSError:
        return False
