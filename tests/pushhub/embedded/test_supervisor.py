"""The supervisor, with small programs as its children."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from pushhub.embedded.account import EmbeddedError
from pushhub.embedded.process import wait_until
from pushhub.embedded.state import CHECKOUT
from pushhub.embedded.supervisor import RESTARTS, Child, Supervisor

PROGRAM = """
import os, sys
from pathlib import Path
from pushhub.embedded.supervisor import Child, Supervisor
children = [Child(name, [sys.executable, "-uc", code]) for name, code in zip(sys.argv[1::2], sys.argv[2::2])]
report = Path(os.environ["REPORT"]) if "REPORT" in os.environ else None
supervisor = Supervisor(children, env=os.environ, cwd=Path.cwd(), watch=lambda: None, report=report)
sys.exit(supervisor.run(on_first_tick=lambda: "NEVER_READY" not in os.environ))
"""
SLEEP = "import os, time; print('pid', os.getpid()); time.sleep(60)"
# A child that ignores TERM and starts another process in its group.
IGNORES_TERM = """
import signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('pid 1')
subprocess.run(['sleep', '60'])
"""


def supervise(*children: str, **env: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", PROGRAM, *children]
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(argv, cwd=CHECKOUT, env=os.environ | env, **options)


def printed_pid(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline().rpartition(" ")[2])


def has_ended(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_each_line_starts_with_the_name_of_its_child() -> None:
    process = supervise("web", SLEEP)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("web │ pid ")
    process.terminate()
    assert process.wait(10) == 0


def test_a_crashed_child_is_started_again() -> None:
    process = supervise("web", SLEEP)
    first = printed_pid(process)
    subprocess.run(["kill", "-9", str(first)], check=True)
    assert process.stdout is not None
    assert re.search(r"ended with SIGKILL; starting again in 0\.[0-5] s", process.stdout.readline())
    assert printed_pid(process) != first
    process.terminate()
    process.wait(10)


def test_a_child_that_dies_at_once_does_not_end_the_others(tmp_path: Path) -> None:
    """It is started again and again, after pauses; the others keep their process, and the report says why."""
    report = tmp_path / "degraded.json"
    process = supervise("web", SLEEP, "worker", "raise SystemExit(3)", REPORT=str(report))
    try:
        assert wait_until(lambda: crashes(report) >= 6, seconds=60)
        assert process.poll() is None
        assert set(json.loads(report.read_text())) == {"worker"}
        assert "last with exit code 3" in json.loads(report.read_text())["worker"]
    finally:
        process.terminate()
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert output.count("web    │ pid ") == 1


def crashes(report: Path) -> int:
    """How often the worker ended, by the report."""
    text = json.loads(report.read_text()).get("worker", "") if report.exists() else ""
    return int(text.split()[1]) if text else 0


def test_pauses_grow_up_to_a_minute() -> None:
    assert [RESTARTS.longest(failure) for failure in (0, 1, 6, 7, 1000)] == [0.5, 1, 32, 60, 60]


def test_a_program_that_cannot_be_started_does_not_end_the_others(tmp_path: Path) -> None:
    supervisor = Supervisor([Child("web", [str(tmp_path)])], env={}, cwd=tmp_path, watch=lambda: None)
    assert supervisor.run(on_first_tick=lambda: False) == 1


def test_a_server_that_does_not_start_is_tried_again(tmp_path: Path) -> None:
    tries: list[int] = []

    def watch() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise EmbeddedError("PostgreSQL did not start")

    def terminate_after_two() -> bool:
        if len(tries) > 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return len(tries) > 1

    report = tmp_path / "degraded.json"
    child = Child("web", [sys.executable, "-c", SLEEP])
    supervisor = Supervisor([child], env=os.environ, cwd=tmp_path, watch=watch, report=report)
    assert supervisor.run(on_first_tick=terminate_after_two) == 0
    assert len(tries) > 1


def test_a_child_that_crashes_while_the_service_starts_ends_the_run_with_its_last_lines() -> None:
    process = supervise("web", "raise SystemExit('no such thing')", "beat", SLEEP, NEVER_READY="1")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Giving up" in output
    assert output.rstrip().endswith("web  │     no such thing")


def test_sigterm_stops_the_children() -> None:
    process = supervise("web", SLEEP)
    child = printed_pid(process)
    process.terminate()
    process.wait(10)
    assert has_ended(child)


def test_kill_nine_of_the_supervisor_stops_the_children() -> None:
    process = supervise("web", SLEEP)
    child = printed_pid(process)
    process.kill()
    process.wait(10)
    assert wait_until(lambda: has_ended(child), seconds=5)


def test_a_second_signal_kills_children_that_do_not_stop() -> None:
    process = supervise("web", IGNORES_TERM)
    printed_pid(process)
    process.terminate()
    assert not wait_until(lambda: process.poll() is not None, seconds=0.7)
    process.terminate()
    assert process.wait(5) == 0
