"""Containers and docs/operations/running.md start the processes with the options of `make run`, which were measured."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from pushhub.embedded import programs
from pushhub.embedded.postgres import LIMITS, LOG_WITHOUT_VALUES, WITHOUT_ZEROS
from tests.tooling.files import DOCKERFILE, PAGE, SERVICES

POSITIONAL = {"worker", "pushhub.asgi:application"}
MAY_DIFFER = {"--host", "--port", "--hostname", "--loglevel", "--log-level", "--quiet"}
WORKERS = ["dispatch", "registry", "avatars"]


def options(argv: list[str]) -> dict[str, str]:
    """The options and their values ("" for a switch), without those that may differ."""
    words = [word for word in argv if word not in POSITIONAL]
    pairs = zip(words, [*words[1:], "--"], strict=True)
    named = {name: "" if value.startswith("--") else value for name, value in pairs if name.startswith("--")}
    return {name: value for name, value in named.items() if name not in MAY_DIFFER}


def command_with(words: str) -> list[str]:
    """The only command of the page that contains `words`."""
    (block,) = (block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "granian" in block)
    (line,) = (line for line in block.replace("\\\n", " ").splitlines() if words in line)
    return shlex.split(line)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The command lines on two cores, as in docs/decisions/0011-floods-of-pictures.md."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    return programs.program_argv(Path("/"), 8000)


def test_the_image_starts_web_with_the_measured_options(measured: dict[str, list[str]]) -> None:
    command = json.loads(DOCKERFILE.split("\nCMD ")[-1].replace("\\\n", ""))
    assert options(command) == options(measured["web"])


def test_the_page_starts_web_with_the_measured_options(measured: dict[str, list[str]]) -> None:
    assert options(command_with("granian")) == options(measured["web"])


@pytest.mark.parametrize("name", WORKERS)
def test_containers_start_the_workers_with_the_measured_options(measured: dict[str, list[str]], name: str) -> None:
    assert options(SERVICES[f"worker-{name}"]["command"]) == options(measured[name])


@pytest.mark.parametrize("name", WORKERS)
def test_the_page_starts_the_workers_with_the_measured_options(measured: dict[str, list[str]], name: str) -> None:
    assert options(command_with(f"--queues {name}")) == options(measured[name])


def test_the_container_has_the_measured_settings_of_postgresql() -> None:
    command = SERVICES["postgres"]["command"]
    settings = dict(word.split("=") for word in command if "=" in word)
    assert settings == {**LIMITS, **WITHOUT_ZEROS, **LOG_WITHOUT_VALUES}


@pytest.mark.parametrize(("name", "seconds"), [("postgres", 90), ("web", 30), ("worker-dispatch", 30)])
def test_a_service_has_enough_time_to_stop(name: str, seconds: int) -> None:
    assert SERVICES[name]["stop_grace_period"] == f"{seconds}s"
