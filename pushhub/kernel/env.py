"""Read settings from the environment, loudly: a value that cannot be understood stops the start, with the remedy."""

import os
import re
from pathlib import Path


class EnvironmentInvalid(Exception):
    """A setting is missing or cannot be understood; the text names it and says what to write."""


def env_str(name: str, default: str | None = None) -> str:
    """The value of `name`, or the content of the file that `name_FILE` points at (Docker and Kubernetes secrets)."""
    if name in os.environ:
        return os.environ[name]
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text("utf-8").strip()
        except OSError as error:
            raise EnvironmentInvalid(f"{name}_FILE points at a file that cannot be read: {error.strerror}") from error
    if default is None:
        raise EnvironmentInvalid(f"{name} is not set. Set it, or {name}_FILE with the path of a file that holds it.")
    return default


def env_bool(name: str, *, default: bool) -> bool:
    """Only `true` and `false` (any case), `1` and `0`: a typo must not switch a guard off."""
    value = env_str(name, str(default)).lower()
    if value in {"true", "1"}:
        return True
    if value in {"false", "0"}:
        return False
    raise EnvironmentInvalid(f"{name} must be true or false.")


def env_int(name: str, *, default: int) -> int:
    value = env_str(name, str(default))
    try:
        return int(value)
    except ValueError as error:
        raise EnvironmentInvalid(f"{name} must be a whole number.") from error


def env_address(name: str) -> str:
    """`host:port`, or empty."""
    value = env_str(name, "")
    if value and not re.fullmatch(r"[^\s:]+:\d{1,5}", value):
        raise EnvironmentInvalid(f"{name} must be an address like 0.0.0.0:9464.")
    return value


def env_list(name: str, *, default: str = "") -> list[str]:
    """Comma-separated values, blanks dropped."""
    return [item.strip() for item in env_str(name, default).split(",") if item.strip()]
