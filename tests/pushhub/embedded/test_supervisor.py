"""The supervisor with small stand-in children."""

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
# A child that ignores TERM and has a child of its own in its group.
STUBBORN = """
import signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('pid 1')
subprocess.run(['sleep', '60'])
"""


def supervise(*children: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", PROGRAM, *children]
    return subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def pid_said(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline().rpartition(" ")[2])


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_output_carries_the_name_of_its_child() -> None:
    process = supervise("web", SLEEP)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("web │ pid ")
    process.terminate()
    assert process.wait(10) == 0


def test_a_crashed_child_is_started_again() -> None:
    process = supervise("web", SLEEP)
    first = pid_said(process)
    subprocess.run(["kill", "-9", str(first)], check=True)
    assert process.stdout is not None
    assert "ended with SIGKILL; starting again in 0.5 s" in process.stdout.readline()
    assert pid_said(process) != first
    process.terminate()
    process.wait(10)


def test_a_hopeless_child_ends_everything_with_its_last_words() -> None:
    process = supervise("web", "raise SystemExit('no such thing')", "beat", SLEEP)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Giving up" in said
    assert said.rstrip().endswith("web  │     no such thing")


def test_terminate_stops_the_children() -> None:
    process = supervise("web", SLEEP)
    child = pid_said(process)
    process.terminate()
    process.wait(10)
    assert gone(child)


def test_kill_nine_of_the_supervisor_stops_the_children() -> None:
    process = supervise("web", SLEEP)
    child = pid_said(process)
    process.kill()
    process.wait(10)
    assert wait_until(lambda: gone(child), seconds=5)


def test_a_second_signal_kills_what_does_not_stop() -> None:
    process = supervise("web", STUBBORN)
    pid_said(process)
    process.terminate()
    assert not wait_until(lambda: process.poll() is not None, seconds=0.7)
    process.terminate()
    assert process.wait(5) == 0
