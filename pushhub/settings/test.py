"""Tests: as `make run`, with the fastest password hasher and nothing collected."""

from pushhub.settings.run import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
