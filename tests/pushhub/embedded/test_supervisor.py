"""The supervisor, with small programs as its children."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pushhub.embedded.process import wait_until
from pushhub.embedded.state import CHECKOUT

PROGRAM = """
import os, sys
from pathlib import Path
from pushhub.embedded.supervisor import Child, Supervisor
children = [Child(name, [sys.executable, "-uc", code]) for name, code in zip(sys.argv[1::2], sys.argv[2::2])]
supervisor = Supervisor(children, env=os.environ, cwd=Path.cwd(), watch=lambda: None)
sys.exit(supervisor.run(on_first_tick=lambda: True))
"""
SLEEP = "import os, time; print('pid', os.getpid()); time.sleep(60)"
# A child that ignores TERM and starts another process in its group.
IGNORES_TERM = """
import signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('pid 1')
subprocess.run(['sleep', '60'])
"""


def supervise(*children: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", PROGRAM, *children]
    return subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


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
    assert "ended with SIGKILL; starting again in 0.5 s" in process.stdout.readline()
    assert printed_pid(process) != first
    process.terminate()
    process.wait(10)


def test_a_child_that_crashes_too_often_ends_the_run_with_its_last_lines() -> None:
    process = supervise("web", "raise SystemExit('no such thing')", "beat", SLEEP)
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
