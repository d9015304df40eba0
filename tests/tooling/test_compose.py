"""docker-compose.yml and the Dockerfile, checked as files: no container runs here."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path
from shutil import copy

import pytest

from tests.docs.pages import on_the_page
from tests.tooling.files import CHECKOUT, COMPOSE, DOCKERFILE, PAGE, SERVICES, TEXT

PUSHHUB = [name for name, service in SERVICES.items() if service.get("image") == "pushhub"]
# The settings in the page's section on containers, and those that Compose itself reads from the shell or `.env`.
NAMED = set(re.findall(r"\b([A-Z][A-Z_]+)=", PAGE.split("\n## Containers\n")[1].split("\n## ")[0]))
READ_BY_COMPOSE = set(re.findall(r"\$\{(\w+)", TEXT))
SECRET_WORDS = re.compile(r"URL|KEY|PASSWORD|TOKEN")


def test_the_services_are_complete() -> None:
    workers = {"worker-dispatch", "worker-registry", "worker-avatars"}
    assert set(SERVICES) == {"postgres", "valkey", "migrate", "web", "beat"} | workers


def test_only_web_is_published() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["web"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_secrets_come_from_files(name: str) -> None:
    environment = SERVICES[name].get("environment", {})
    assert [key for key in environment if SECRET_WORDS.search(key) and not key.endswith("_FILE")] == []


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_named_secret_file_is_mounted(name: str) -> None:
    environment = SERVICES[name].get("environment", {})
    files = {Path(value).name for key, value in environment.items() if key.endswith("_FILE")}
    assert files <= set(SERVICES[name].get("secrets", []))


def test_every_mounted_secret_is_declared() -> None:
    mounted = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert mounted == set(COMPOSE["secrets"])


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate", "web"}))
def test_long_running_services_have_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


def test_the_image_contains_the_health_check_of_web() -> None:
    assert "HEALTHCHECK" in DOCKERFILE
    assert "healthcheck" not in SERVICES["web"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert 0 < service["pids_limit"] <= 1024
    assert re.fullmatch(r"[1-4]g", service["mem_limit"])


@pytest.mark.parametrize("name", ["postgres", "valkey"])
def test_a_server_has_only_the_capabilities_to_become_its_own_user(name: str) -> None:
    assert set(SERVICES[name]["cap_add"]) == {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}


def test_the_servers_have_networks_of_their_own_without_a_way_out() -> None:
    networks = {name: SERVICES[name]["networks"] for name in ("postgres", "valkey")}
    assert networks == {"postgres": ["database"], "valkey": ["cache"]}
    assert {name: COMPOSE["networks"][name] for name in ("database", "cache")} == {
        "database": {"internal": True},
        "cache": {"internal": True},
    }


def test_each_container_is_in_the_networks_that_it_needs() -> None:
    working = {"database", "cache", "outside"}
    needed = dict.fromkeys(PUSHHUB, working) | {"migrate": {"database"}, "beat": {"database", "cache"}}
    assert {name: set(SERVICES[name]["networks"]) for name in PUSHHUB} == needed


@pytest.mark.parametrize("name", ["web", "worker-dispatch", "worker-registry", "worker-avatars", "beat"])
def test_no_service_starts_before_the_migrations(name: str) -> None:
    assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_each_queue_has_one_worker_service() -> None:
    commands = [service["command"] for name, service in SERVICES.items() if name.startswith("worker")]
    queues = [queue for command in commands for queue in command[command.index("--queues") + 1].split(",")]
    assert sorted(queues) == ["avatars", "dispatch", "registry", "upkeep"]


def test_the_image_does_not_run_as_root() -> None:
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert users
    assert users[-1] not in {"root", "0"}


def test_dockerignore_allows_exactly_the_folders_of_the_image() -> None:
    copied = {line.split()[1].rstrip("/") for line in DOCKERFILE.splitlines() if re.match(r"COPY (?!--from)", line)}
    allowed = {line[1:] for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == allowed


def test_the_image_contains_neither_the_sandbox_nor_tests() -> None:
    assert not re.search(r"^COPY (sandbox|tests|bench|\.)\b", DOCKERFILE, re.MULTILINE)


def test_the_page_names_settings_that_exist() -> None:
    assert {"PUSHHUB_VAPID_SUB", "ALLOWED_HOSTS", "PUSHHUB_LISTEN"} <= NAMED
    assert on_the_page() >= NAMED - READ_BY_COMPOSE


@pytest.mark.parametrize("name", PUSHHUB)
def test_the_settings_that_the_page_names_reach_every_container(name: str) -> None:
    assert SERVICES[name]["env_file"] == ["secrets/settings.env"]
    assert not SERVICES[name]["environment"].keys() & (NAMED - READ_BY_COMPOSE)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    copy(CHECKOUT / "scripts" / "compose-secrets", tmp_path / "scripts")
    subprocess.run([tmp_path / "scripts" / "compose-secrets"], check=True, capture_output=True)
    return tmp_path / "secrets"


def test_compose_secrets_creates_every_declared_file(secrets: Path) -> None:
    declared = {Path(entry["file"]).name for entry in COMPOSE["secrets"].values()}
    assert {path.name for path in secrets.iterdir()} == declared | {"settings.env"}


def test_the_example_settings_exist_and_reach_the_containers(secrets: Path) -> None:
    lines = (secrets / "settings.env").read_text().splitlines()
    names = {line.lstrip("#").partition("=")[0] for line in lines if re.match(r"#?\w+=", line)}
    assert names <= on_the_page() - SERVICES["web"]["environment"].keys()
    assert [line for line in lines if line and not line.startswith("#")] == ["PUSHHUB_VAPID_SUB="]


def test_only_their_owner_can_read_the_settings(secrets: Path) -> None:
    assert stat.S_IMODE((secrets / "settings.env").stat().st_mode) == 0o600


def test_the_secrets_folder_is_private(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700


def test_compose_secrets_keeps_existing_files(secrets: Path) -> None:
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    subprocess.run([secrets.parent / "scripts" / "compose-secrets"], check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in secrets.iterdir()} == before
