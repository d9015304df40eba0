"""Tests: the settings of `make run` with the fastest password hasher."""

import os

# In a test run, tests/plugin.py has already set the real addresses. mypy's Django plugin imports this module without
# servers.
for name, address in {
    "DATABASE_URL": "postgresql://none@127.0.0.1:1/none",
    "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    "CACHE_URL": "redis://127.0.0.1:1/1",
    "SECRET_KEY": "types-only",
    "PUSHHUB_ENCRYPTION_KEYS": "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "PUSHHUB_HASH_KEY": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
}.items():
    os.environ.setdefault(name, address)

from pushhub.settings.run import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
