"""`make run`: starts the service from an empty folder, and prints what a person needs to try it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from pushhub.kernel.env import env_str

from .account import EmbeddedError
from .ports import LOOPBACK, port_of, port_reserve
from .programs import QUIET, manage, metrics_shared, program_argv, web_responds
from .services import Services, ensure_services
from .simulated import browser_register, sandbox_argv, sandbox_url
from .state import CHECKOUT, Lock, state_folder, write_private
from .supervisor import Child, Supervisor

DEFAULT_PORT = 8000
PORTS_TRIED = 50
STOP_SECONDS = 30.0


def run() -> int:
    """Runs the service under one supervisor until Ctrl-C or SIGTERM. Returns the exit code of `make run`."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushhub.settings.run")
    folder = state_folder()
    lock = Lock(folder / "run.lock")
    address = folder / "run.url"
    if not lock.take(wait=False):
        raise EmbeddedError(
            f"Already running in this folder, at {address.read_text().strip() or 'a port that is not chosen yet'}."
        )
    address.write_text("")
    port = port_choose(os.environ.get("PORT", ""))
    url = f"http://{LOOPBACK}:{port_of(port)}"
    address.write_text(url)
    with ensure_services() as services:
        for name, title in (("postgres", "PostgreSQL"), ("valkey", "Valkey")):
            _print(f"{title}: {f'running from {folder}' if name in services.names else 'given by the environment'}")
        demo = _prepare(services, folder)
        sandbox = sandbox_url(folder)
        os.environ["PUSHHUB_SANDBOX_URL"] = sandbox

        def ready() -> bool:
            if not (web_responds(url) and web_responds(sandbox, path="/")):
                return False
            _announce(url, sandbox, demo, note=_simulate(url, sandbox, demo))
            return True

        programs = program_argv(folder, port_of(port)) | {"sandbox": sandbox_argv(sandbox)}
        port.close()
        report = folder / "degraded.json"
        env = os.environ | QUIET | metrics_shared(folder) | {"PUSHHUB_SUPERVISOR_REPORT": str(report)}
        code = _supervise(services, programs, ready, env=env, report=report)
    services.wait_stopped(seconds=STOP_SECONDS)
    _print("Stopped.")
    return code


def port_choose(wanted: str) -> Any:
    """A listening socket that reserves the port until the web server starts. An explicit port is never replaced."""
    if wanted:
        if not wanted.isdecimal() or not 0 < int(wanted) < 65536:
            raise EmbeddedError(f"PORT={wanted} is not a port number. Try: PORT=8001 make run")
        try:
            return port_reserve(int(wanted))
        except OSError as error:
            raise EmbeddedError(f"Port {wanted}: {error.strerror}. Choose another: PORT=8001 make run") from error
    for port in range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED):
        with contextlib.suppress(OSError):
            reserved = port_reserve(port)
            if port != DEFAULT_PORT:
                _print(f"*** Port {DEFAULT_PORT} is taken: using {port} instead. PORT=… make run chooses another. ***")
            return reserved
    raise EmbeddedError(f"The ports from {DEFAULT_PORT} on are taken. Choose another: PORT=9000 make run")


def _prepare(services: Services, folder: Path) -> dict[str, Any]:
    """Migrates the database and creates the demo tenant once. The service shows secrets only once, so they are stored
    in `demo.json` for later runs."""
    _print("Migrations")
    manage("migrate", "--noinput", "--verbosity", "0")
    _print("Demo tenant")
    created: dict[str, Any] = json.loads(manage("demo_setup").strip().splitlines()[-1])
    path = folder / "demo.json"
    stored: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    # The keys of another database are useless here. The embedded database may move to another port and stays the same.
    database = "embedded" if "postgres" in services.names else sha256(env_str("DATABASE_URL").encode()).hexdigest()
    if stored.get("database") != database:
        stored = {}
    demo = stored | {name: value for name, value in created.items() if value} | {"database": database}
    write_private(path, json.dumps(demo, indent=1))
    return demo


def _supervise(
    services: Services,
    programs: dict[str, list[str]],
    ready: Callable[[], bool],
    *,
    env: Mapping[str, str],
    report: Path,
) -> int:
    supervisor = Supervisor(
        [Child(name, argv) for name, argv in programs.items()],
        env=env,
        cwd=CHECKOUT,
        watch=services.ensure,
        report=report,
    )
    return supervisor.run(on_first_tick=ready)


def _simulate(url: str, sandbox: str, demo: dict[str, Any]) -> str:
    """Registers alice's simulated browser. Returns the note to print. The service is up in any case."""
    if "server_key" not in demo:
        return "No simulated browser is registered: this folder does not contain the demo tenant's server key."
    try:
        browser_register(api=url, server_key=demo["server_key"], sandbox=sandbox)
    except OSError as error:
        return f"alice's simulated browser could not be registered: {error}"
    return "Send alice a push: her simulated browser receives it, and the demo and the sandbox show it."


def _announce(url: str, sandbox: str, demo: dict[str, Any], *, note: str) -> None:
    unknown = "(shown when it was created)"
    key = demo.get("server_key", unknown)
    body = json.dumps({"to": {"users": ["alice"]}, "content": {"title": "Hello", "body": "It works."}})
    print(
        f"""
  demo      {f"{url}/demo/":<32}  send yourself a push and watch it arrive
  sandbox   {f"{sandbox}/":<32}  messages to simulated devices
  admin     {f"{url}/admin/":<32}  {demo.get("admin_user", unknown)} / {demo.get("admin_password", unknown)}
  API       {url}/docs
  key       {key}  (server key of tenant {demo.get("tenant", unknown)})

  {note}

    curl -sS -w '\\n' {url}/v1/notifications \\
      -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
      -d '{body}'

  Ctrl-C stops everything; the data stays. Next steps: README.md
""",
        flush=True,
    )


def _print(text: str) -> None:
    print(text, flush=True)
