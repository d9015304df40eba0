"""`make run`: from an empty folder to an answering service, and what a person needs to try it."""

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
from .ports import LOOPBACK, port_hold, port_of
from .programs import QUIET, manage, metrics_shared, program_argv, web_answers
from .services import Services, ensure_services
from .simulated import browser_register, sandbox_argv, sandbox_url
from .state import CHECKOUT, Lock, state_folder, write_private
from .supervisor import Child, Supervisor

DEFAULT_PORT = 8000
PORTS_TRIED = 50
STOP_SECONDS = 30.0


def run() -> int:
    """Everything under one supervisor, until Ctrl-C or SIGTERM. The exit code of `make run`."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pushhub.settings.run")
    folder = state_folder()
    lock = Lock(folder / "run.lock")
    address = folder / "run.url"
    if not lock.take(wait=False):
        raise EmbeddedError(
            f"Already running in this folder, at {address.read_text().strip() or 'a port being chosen'}."
        )
    address.write_text("")
    port = port_choose(os.environ.get("PORT", ""))
    url = f"http://{LOOPBACK}:{port_of(port)}"
    address.write_text(url)
    with ensure_services() as services:
        for name, title in (("postgres", "PostgreSQL"), ("valkey", "Valkey")):
            _say(f"{title}: {f'running from {folder}' if name in services.names else 'as the environment says'}")
        demo = _prepare(services, folder)
        sandbox = sandbox_url(folder)
        os.environ["PUSHHUB_SANDBOX_URL"] = sandbox

        def ready() -> bool:
            if not (web_answers(url) and web_answers(sandbox, path="/")):
                return False
            _announce(url, sandbox, demo, note=_simulate(url, sandbox, demo))
            return True

        programs = program_argv(folder, port_of(port)) | {"sandbox": sandbox_argv(sandbox)}
        port.close()
        code = _supervise(services, programs, ready, env=os.environ | QUIET | metrics_shared(folder))
    services.wait_stopped(seconds=STOP_SECONDS)
    _say("Stopped.")
    return code


def port_choose(wanted: str) -> Any:
    """A listening socket that keeps the port until the web server takes it. An explicit port is never replaced."""
    if wanted:
        if not wanted.isdecimal() or not 0 < int(wanted) < 65536:
            raise EmbeddedError(f"PORT={wanted} is not a port number. Try: PORT=8001 make run")
        try:
            return port_hold(int(wanted))
        except OSError as error:
            raise EmbeddedError(f"Port {wanted}: {error.strerror}. Choose another: PORT=8001 make run") from error
    for port in range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED):
        with contextlib.suppress(OSError):
            held = port_hold(port)
            if port != DEFAULT_PORT:
                _say(f"*** Port {DEFAULT_PORT} is taken: using {port} instead. PORT=… make run chooses another. ***")
            return held
    raise EmbeddedError(f"No free port from {DEFAULT_PORT} on. Choose one: PORT=9000 make run")


def _prepare(services: Services, folder: Path) -> dict[str, Any]:
    """Migrate, and make the demo tenant once. Secrets are shown by the service only once: they are kept for later."""
    _say("Migrations")
    manage("migrate", "--noinput", "--verbosity", "0")
    _say("Demo tenant")
    made: dict[str, Any] = json.loads(manage("demo_setup").strip().splitlines()[-1])
    path = folder / "demo.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    # The keys of another database would be wrong here; the embedded one may move to another port.
    database = "embedded" if "postgres" in services.names else sha256(env_str("DATABASE_URL").encode()).hexdigest()
    if kept.get("database") != database:
        kept = {}
    demo = kept | {name: value for name, value in made.items() if value} | {"database": database}
    write_private(path, json.dumps(demo, indent=1))
    return demo


def _supervise(
    services: Services, programs: dict[str, list[str]], ready: Callable[[], bool], *, env: Mapping[str, str]
) -> int:
    supervisor = Supervisor(
        [Child(name, argv) for name, argv in programs.items()],
        env=env,
        cwd=CHECKOUT,
        watch=services.ensure,
    )
    return supervisor.run(on_first_tick=ready)


def _simulate(url: str, sandbox: str, demo: dict[str, Any]) -> str:
    """Register alice's simulated browser; what to say about it. The service is up in any case."""
    if "server_key" not in demo:
        return "No simulated browser is registered: this folder does not know the demo tenant's server key."
    try:
        browser_register(api=url, server_key=demo["server_key"], sandbox=sandbox)
    except OSError as error:
        return f"alice's simulated browser could not be registered: {error}"
    return "Send alice a push: her simulated browser catches it, and it shows below and in the sandbox."


def _announce(url: str, sandbox: str, demo: dict[str, Any], *, note: str) -> None:
    unknown = "(shown when it was made)"
    key = demo.get("server_key", unknown)
    body = json.dumps({"to": {"users": ["alice"]}, "content": {"title": "Hello", "body": "It works."}})
    print(
        f"""
  demo      {f"{url}/demo/":<32}  send yourself a push and watch it arrive
  sandbox   {f"{sandbox}/":<32}  what was sent to simulated devices
  admin     {f"{url}/admin/":<32}  {demo.get("admin_user", unknown)} / {demo.get("admin_password", unknown)}
  API       {url}/docs
  key       {key}  (server key of tenant {demo.get("tenant", unknown)})

  {note}

    curl -sS -w '\\n' {url}/v1/notifications \\
      -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
      -d '{body}'

  Ctrl-C stops everything; the data stays. What next: README.md
""",
        flush=True,
    )


def _say(text: str) -> None:
    print(text, flush=True)
