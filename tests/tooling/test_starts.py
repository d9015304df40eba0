"""Containers and whoever types docs/operations/running.md start what `make run` starts: that start was measured."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from pushhub.embedded import programs
from pushhub.embedded.postgres import LIMITS, LOG_WITHOUT_VALUES, WITHOUT_ZEROS
from tests.tooling.files import DOCKERFILE, PAGE, SERVICES

POSITIONAL = {"worker", "pushhub.wsgi:application"}
PER_PLACE = {"--host", "--port", "--hostname", "--loglevel", "--log-level", "--quiet"}
WORKERS = ["dispatch", "registry", "avatars"]


def options(argv: list[str]) -> dict[str, str]:
    """Each option and its value, "" of a switch, without what is each place's own."""
    words = [word for word in argv if word not in POSITIONAL]
    pairs = zip(words, [*words[1:], "--"], strict=True)
    named = {name: "" if value.startswith("--") else value for name, value in pairs if name.startswith("--")}
    return {name: value for name, value in named.items() if name not in PER_PLACE}


def typed(words: str) -> list[str]:
    """The page's one command that contains `words`."""
    (block,) = (block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "granian" in block)
    (line,) = (line for line in block.replace("\\\n", " ").splitlines() if words in line)
    return shlex.split(line)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """On the two cores of docs/decisions/0011-floods-of-pictures.md."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    return programs.program_argv(Path("/"), 8000)


def test_the_image_starts_the_web_that_was_measured(measured: dict[str, list[str]]) -> None:
    command = json.loads(DOCKERFILE.split("\nCMD ")[-1].replace("\\\n", ""))
    assert options(command) == options(measured["web"])


def test_the_page_starts_the_web_that_was_measured(measured: dict[str, list[str]]) -> None:
    assert options(typed("granian")) == options(measured["web"])


@pytest.mark.parametrize("name", WORKERS)
def test_containers_start_the_workers_that_were_measured(measured: dict[str, list[str]], name: str) -> None:
    assert options(SERVICES[f"worker-{name}"]["command"]) == options(measured[name])


@pytest.mark.parametrize("name", WORKERS)
def test_the_page_starts_the_workers_that_were_measured(measured: dict[str, list[str]], name: str) -> None:
    assert options(typed(f"--queues {name}")) == options(measured[name])


def test_the_container_has_the_measured_settings_of_postgresql() -> None:
    command = SERVICES["postgres"]["command"]
    given = dict(word.split("=") for word in command if "=" in word)
    assert given == {**LIMITS, **WITHOUT_ZEROS, **LOG_WITHOUT_VALUES}


@pytest.mark.parametrize(("name", "seconds"), [("postgres", 90), ("web", 30), ("worker-dispatch", 30)])
def test_whoever_stops_gets_the_time_for_it(name: str, seconds: int) -> None:
    assert SERVICES[name]["stop_grace_period"] == f"{seconds}s"
