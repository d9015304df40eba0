"""The files that a new user's first command needs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock"]


@pytest.mark.parametrize("name", LOCKS)
def test_locks_contain_no_download_address(name: str) -> None:
    assert not re.search(r"https?:|file:|--index|--extra|--find-links|--trusted", (CHECKOUT / name).read_text())


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_release_has_hashes(name: str) -> None:
    text = re.sub(r"\s*\\\n\s*", " ", (CHECKOUT / name).read_text())
    pins = [line for line in text.splitlines() if "==" in line and not line.lstrip().startswith("#")]
    assert pins
    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []


def test_the_tested_packages_include_those_that_run() -> None:
    run, dev = (set(re.findall(r"^(\S+==\S+)", (CHECKOUT / name).read_text(), re.MULTILINE)) for name in LOCKS)
    assert run <= dev


def test_make_without_a_target_lists_the_targets() -> None:
    output = subprocess.run(["make", "-s", "-C", CHECKOUT], capture_output=True, text=True, check=True).stdout
    targets = {"run", "demo", "test", "test-browser", "check", "bench", "siege", "siege-tests", "help", "clean"}
    assert targets <= set(re.findall(r"make (\S+)", output))
