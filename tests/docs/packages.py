"""The packages whose code the pages describe."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    *("pushhub", "outgoing", "providers", "tenants", "events"),
    *("devices", "notifications", "avatars", "clients"),
)


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
