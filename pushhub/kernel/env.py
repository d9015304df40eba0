"""Settings from the environment. An invalid value stops the start with an error that says what to write."""

import os
import re
from pathlib import Path


class EnvironmentInvalid(Exception):
    """A setting is missing or invalid. The text names the setting and says what to write."""


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
        raise EnvironmentInvalid(f"{name} is not set. Set it, or set {name}_FILE to the path of a file with the value.")
    return default


def env_bool(name: str, *, default: bool) -> bool:
    """Accepts only `true` and `false` (any case), `1` and `0`: a typo must not disable a protection."""
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
    """`host:port`, or an empty string."""
    value = env_str(name, "")
    if value and not re.fullmatch(r"[^\s:]+:\d{1,5}", value):
        raise EnvironmentInvalid(f"{name} must be an address like 0.0.0.0:9464.")
    return value


def env_list(name: str, *, default: str = "") -> list[str]:
    """Comma-separated values without surrounding blanks. Empty values are dropped."""
    return [item.strip() for item in env_str(name, default).split(",") if item.strip()]
