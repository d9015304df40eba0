"""Tests: as `make run`, with the fastest password hasher and nothing collected."""

import os

# tests/plugin.py has set the real ones by now; mypy's Django plugin imports this module and needs no server.
for name, address in {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    "CACHE_URL": "redis://127.0.0.1:1/1",
    "SECRET_KEY": "types-only",
    "PUSHHUB_ENCRYPTION_KEYS": "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "PUSHHUB_HASH_KEY": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
}.items():
    os.environ.setdefault(name, address)

from pushhub.settings.run import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
