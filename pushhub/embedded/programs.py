"""The service's processes: how each is started, and whether the web answers."""

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

# Celery's advice against root is for servers; here everything listens on loopback only.
QUIET = {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}


def program_argv(folder: Path, port: int) -> dict[str, list[str]]:
    """Name and command line of every process. Beat keeps its schedule in `folder`."""
    web = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", LOOPBACK, "--port", str(port), "--no-ws"]
    # The threads receive bodies and send answers: one of its own works (pushhub.http.reception). A worker told to stop
    # while it is still starting misses the signal: without a limit its parent waits for ever.
    web += ["--workers", "2", "--blocking-threads", "128", "--workers-kill-timeout", "10", "--respawn-failed-workers"]
    web += ["--log-level", "error"]  # its own news, and a warning of the 128 threads, which are meant
    celery = [sys.executable, "-m", "celery", "-A", "pushhub.workers.celery", "--quiet"]
    worker = [*celery, "worker", "--loglevel", "WARNING", "--without-gossip", "--without-mingle"]
    two, all_but_one = (["--concurrency", str(count)] for count in (2, max(1, min(2, (os.cpu_count() or 1) - 1))))
    schedule = str(folder / "beat-schedule")
    return {
        "web": [*web, "pushhub.wsgi:application"],
        "dispatch": [*worker, *two, "--queues", "dispatch", "--hostname", "dispatch@%h"],
        "registry": [*worker, *two, "--queues", "registry,upkeep", "--hostname", "registry@%h"],
        # Pictures are work for the processor, pushes are urgent: a flood of the one takes what the other leaves, and
        # never the last core.
        "avatars": ["nice", "-n", "10", *worker, *all_but_one, "--queues", "avatars", "--hostname", "avatars@%h"],
        "beat": [*celery, "beat", "--loglevel", "WARNING", "--schedule", schedule, "--pidfile", ""],
    }


def metrics_shared(folder: Path) -> dict[str, str]:
    """Where the processes count together, unless the environment says it. What earlier ones counted is forgotten."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        return {}
    shared = folder / "metrics"
    shutil.rmtree(shared, ignore_errors=True)
    return {"PROMETHEUS_MULTIPROC_DIR": str(shared)}


def manage(*arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Run a management command; what it prints. Raises EmbeddedError with the end of what it said."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=CHECKOUT, env=env, capture_output=True, text=True
    )
    if done.returncode:
        raise EmbeddedError(f"manage.py {arguments[0]} failed:\n{tail(done.stdout + done.stderr)}")
    return done.stdout


def web_answers(url: str, *, path: str = "/livez") -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}{path}", timeout=1):
            return True
    except OSError:
        return False
