"""`make run` and `manage.py` on one machine: local servers, the demo page, and requests to this machine's loopback
network allowed."""

import os

os.environ.setdefault("PUSHHUB_ALLOWED_PRIVATE_NETWORKS", "127.0.0.1/32")
os.environ.setdefault("LOG_JSON", "false")

from pushhub.settings.base import *  # noqa: F403

PUSHHUB_DEMO = True
INSTALLED_APPS += ["clients"]  # noqa: F405
